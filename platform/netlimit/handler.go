package netlimit

import (
	"io"
	"net/http"
)

// Handler is the middleware that limits how long the server waits for a request's body,
// whether or not next reads it, and for a client of HTTP/2 to take the response. It must be the outermost one.
func (l *Limiter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		switch {
		case ok && r.ProtoMajor > 1:
			l.serveStream(next, w, r)
		case r.ContentLength == 0 || !ok:
			next.ServeHTTP(w, r)
		default:
			c.expectBody()
			defer c.drainBody()
			r = r.WithContext(r.Context()) // a copy: the server looks at the Body of its own request
			r.Body = &body{ReadCloser: r.Body, conn: c}
			next.ServeHTTP(w, r)
		}
	})
}

// body reports the end of a request's body to its connection.
type body struct {
	io.ReadCloser
	conn *conn
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.conn.endBody()
	}
	return n, err
}

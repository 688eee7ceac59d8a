package netlimit

import (
	"net/http"
	"time"
)

// serveStream serves a request of HTTP/2, whose connection has frames of other requests
// too. The limits are therefore those of the stream.
func (l *Limiter) serveStream(next http.Handler, w http.ResponseWriter, r *http.Request) {
	s := &streamWriter{ResponseWriter: w, control: http.NewResponseController(w), limiter: l}
	if r.ContentLength != 0 {
		// The server resets a stream whose body is left over.
		_ = s.control.SetReadDeadline(time.Now().Add(l.allowed(r.ContentLength))) // every stream has deadlines
	}
	defer s.expect(0) // what is buffered is sent after the handler
	next.ServeHTTP(s, r)
}

// allowed returns how long so many bytes may take.
func (l *Limiter) allowed(n int64) time.Duration {
	return l.config.Grace + time.Duration(max(0, n))*time.Second/time.Duration(l.config.MinRate)
}

// streamWriter limits how long a stream waits until its client takes more: a client that
// leaves the window of the stream shut (RFC 9113, section 5.2) lets no write reach the
// connection, so the limit of the connection does not end it.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	limiter *Limiter
	asked   time.Time // the deadline that a handler has set; zero for none
}

// expect sets the deadline of writing n bytes.
func (s *streamWriter) expect(n int) {
	_ = s.control.SetWriteDeadline(earlier(s.asked, time.Now().Add(s.limiter.allowed(int64(n))))) // every stream has deadlines
}

func (s *streamWriter) Write(p []byte) (int, error) {
	s.expect(len(p))
	defer s.restore()
	return s.ResponseWriter.Write(p)
}

// FlushError sends what is buffered. http.ResponseController calls it.
func (s *streamWriter) FlushError() error {
	s.expect(0)
	defer s.restore()
	return s.control.Flush()
}

func (s *streamWriter) restore() { _ = s.control.SetWriteDeadline(s.asked) } // every stream has deadlines

// SetWriteDeadline sets the deadline of writes. An earlier one may be in force.
func (s *streamWriter) SetWriteDeadline(t time.Time) error {
	s.asked = t
	return s.control.SetWriteDeadline(t)
}

// Unwrap lets http.ResponseController find what the writer does not do itself.
func (s *streamWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

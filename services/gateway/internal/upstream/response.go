package upstream

import (
	"io"
	"net/http"
	"strings"
	"time"

	"troupe/services/gateway/internal/sanitize"
)

// writeResponse copies the service's response to the client.
func (x *proxyRequest) writeResponse(res *http.Response) {
	sanitize.StripHopByHop(res.Header)
	h := x.w.Header()
	for name, values := range res.Header {
		switch name {
		case "X-Request-Id": // the gateway has set the same one
		case "Vary": // the gateway may have added a value of its own
			h[name] = append(h[name], values...)
		default:
			h[name] = values
		}
	}
	for name := range res.Trailer {
		h["Trailer"] = append(h["Trailer"], name)
	}
	x.w.WriteHeader(res.StatusCode)
	if res.Body == nil {
		_, _ = x.w.Write(x.buffer[:res.ContentLength]) // an error means that the client has gone
		return
	}
	defer res.Body.Close()
	x.streamBody(res)
}

// streamBody forwards a response body part by part as it arrives. It ends the connection
// of a client that accepts no part for too long, and of a service that sends none.
func (x *proxyRequest) streamBody(res *http.Response) {
	if x.buffer == nil {
		x.buffer = buffers.Get().(*[bufferSize]byte)
	}
	to := http.NewResponseController(x.w)
	live := res.ContentLength < 0
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		_ = to.Flush() // the client waits for the headers; a later write reports if it has gone
	}
	for {
		x.timer.start(errIdle, x.u.config.Idle)
		n, err := res.Body.Read(x.buffer[:])
		x.timer.stop()
		if n > 0 && x.writePart(to, x.buffer[:n], live) != nil {
			return // the connection is unusable
		}
		switch {
		case err == io.EOF:
			x.writeTrailers(to, res)
			return
		case x.in.Context().Err() != nil:
			_ = to.SetWriteDeadline(time.Unix(1, 0)) // cut the connection: a truncated response must not look complete
			return
		case err != nil:
			panic(http.ErrAbortHandler)
		}
	}
}

func (x *proxyRequest) writePart(to *http.ResponseController, part []byte, live bool) error {
	_ = to.SetWriteDeadline(time.Now().Add(x.u.config.Idle)) // an error means that no connection is behind the writer, as in tests
	if _, err := x.w.Write(part); err != nil {
		return err
	}
	if live {
		return to.Flush()
	}
	return nil
}

func (x *proxyRequest) writeTrailers(to *http.ResponseController, res *http.Response) {
	for name, values := range res.Trailer {
		x.w.Header()[http.TrailerPrefix+name] = values
	}
	_ = to.SetWriteDeadline(time.Time{}) // the connection is kept
}

package upstream

import (
	"io"
	"net/http"
	"strings"
	"time"

	"troupe/services/gateway/internal/guard"
)

// answer copies the service's answer to the client.
func (x *exchange) answer(res *http.Response) {
	guard.StripHop(res.Header)
	h := x.w.Header()
	for name, values := range res.Header {
		switch name {
		case "X-Request-Id": // ours is set, and the same
		case "Vary": // the edge may have its own reason to vary
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
		_, _ = x.w.Write(x.part[:res.ContentLength]) // a client who is gone needs no answer
		return
	}
	defer res.Body.Close()
	x.stream(res)
}

// stream passes on an answer part by part as it comes. A client that takes no
// part for too long is cut off, as is a service that sends none.
func (x *exchange) stream(res *http.Response) {
	if x.part == nil {
		x.part = parts.Get().(*[partSize]byte)
	}
	to := http.NewResponseController(x.w)
	live := res.ContentLength < 0
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		_ = to.Flush() // the client waits for the head; if it is gone, writing will tell
	}
	for {
		x.timer.start(errIdle, x.u.config.Idle)
		n, err := res.Body.Read(x.part[:])
		x.timer.stop()
		if n > 0 && x.pass(to, x.part[:n], live) != nil {
			return // and nothing can follow on this connection
		}
		switch {
		case err == io.EOF:
			x.finish(to, res)
			return
		case x.in.Context().Err() != nil:
			_ = to.SetWriteDeadline(time.Unix(1, 0)) // cut off: a half answer must not look whole
			return
		case err != nil:
			panic(http.ErrAbortHandler)
		}
	}
}

func (x *exchange) pass(to *http.ResponseController, part []byte, live bool) error {
	_ = to.SetWriteDeadline(time.Now().Add(x.u.config.Idle)) // see clientBody.init
	if _, err := x.w.Write(part); err != nil {
		return err
	}
	if live {
		return to.Flush()
	}
	return nil
}

func (x *exchange) finish(to *http.ResponseController, res *http.Response) {
	for name, values := range res.Trailer {
		x.w.Header()[http.TrailerPrefix+name] = values
	}
	_ = to.SetWriteDeadline(time.Time{}) // the connection lives on
}

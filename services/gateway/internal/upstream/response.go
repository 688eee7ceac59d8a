package upstream

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"troupe/platform/ascii"
	"troupe/services/gateway/internal/sanitize"
)

// writeResponse copies the service's response to the client. It has written nothing if it
// returns an error.
func (x *proxyRequest) writeResponse(res *http.Response) *Error {
	if !x.body.streams {
		x.releaseSlot() // the service has done its work, and the client may take the response slowly
	}
	if res.Body != nil {
		defer res.Body.Close()
	}
	events := isStream(res.Header.Get("Content-Type"))
	if events && res.Body != nil {
		counted, refused := x.openStream(func() { x.timer.cancel(errStopping) })
		if refused != nil {
			return refused
		}
		defer counted.Close()
	}
	sanitize.StripHopByHop(res.Header)
	h := x.w.Header()
	copyHeaders(h, res.Header)
	for name := range res.Trailer {
		h["Trailer"] = append(h["Trailer"], name)
	}
	x.w.WriteHeader(res.StatusCode)
	if res.Body == nil {
		_, _ = x.w.Write(x.buffer[:res.ContentLength]) // an error means that the client has gone
		return nil
	}
	x.streamBody(res, events)
	return nil
}

// isStream reports whether a body of the media type is sent for as long as the client stays:
// server-sent events, or the same as lines of JSON.
func isStream(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/event-stream") || strings.HasPrefix(mediaType, "application/x-ndjson")
}

// copyHeaders adds the headers of a service's response to those that the gateway has set.
// Which pages may read a response is the gateway's decision alone: an upstream with a policy
// of its own would overrule GATEWAY_CORS_ORIGINS, and browsers refuse two policies.
func copyHeaders(h, from http.Header) {
	for name, values := range from {
		switch {
		case name == "X-Request-Id": // the gateway has set the same one
		case strings.HasPrefix(name, "Access-Control-"):
		case name == "Vary": // the gateway may have added a value of its own
			h[name] = mergeLists(h[name], values)
		default:
			h[name] = values
		}
	}
}

// mergeLists returns a header with the elements of two lists, each once.
func mergeLists(own, more []string) []string {
	if len(own) == 0 {
		return more
	}
	merged := slices.Clone(own)
	for _, list := range more {
		for element := range strings.SplitSeq(list, ",") {
			same := func(other string) bool { return ascii.EqualFold(other, strings.TrimSpace(element)) }
			if !slices.ContainsFunc(merged, same) {
				merged = append(merged, strings.TrimSpace(element))
			}
		}
	}
	return merged
}

// streamBody forwards a response body part by part as it arrives. It ends the connection
// of a client that accepts no part for too long, and of a service that sends none.
func (x *proxyRequest) streamBody(res *http.Response, events bool) {
	if x.buffer == nil {
		x.buffer = buffers.Get().(*[bufferSize]byte)
	}
	to := http.NewResponseController(x.w)
	live := res.ContentLength < 0
	if events {
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
		case err != nil && events && x.u.config.Streams.IsStopping():
			return // the client connects again, and names the last event that it received
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

package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"troupe/platform/ascii"
	"troupe/services/gateway/internal/inflight"
	"troupe/services/gateway/internal/sanitize"
	"troupe/services/gateway/internal/stream"
)

// websocket is the only protocol that may be switched to.
const websocket = "websocket"

// wantsWebSocket reports whether the client asks for a WebSocket on a route that allows
// it. On other routes the question is not passed on, and the service answers as to any
// request (RFC 9110, section 7.8).
func (x *proxyRequest) wantsWebSocket() bool {
	return x.rules.Stream && len(x.in.Header["Upgrade"]) > 0
}

// askForUpgrade sets the headers that concern the connection to the service.
func (x *proxyRequest) askForUpgrade(h http.Header) {
	if x.wantsWebSocket() {
		h["Connection"] = []string{"Upgrade"}
		return
	}
	delete(h, "Upgrade")
}

var (
	errSwitched    = errors.New("the service switched protocols without a request to do so")
	errStopping    = errors.New("the server stops")
	errOtherSwitch = errors.New("the service switched to another protocol than asked for")
)

// checkSwitch returns an error for a switch of protocols that the client did not ask for.
func (x *proxyRequest) checkSwitch(res *http.Response) error {
	switch {
	case !x.wantsWebSocket():
		return errSwitched
	case !ascii.EqualFold(res.Header.Get("Upgrade"), websocket):
		return errOtherSwitch
	}
	return nil
}

func tooManyStreams(why stream.Refusal) *Error {
	detail := map[stream.Refusal]string{
		stream.AddressFull: "your address has too many WebSockets and event streams open; close one, or try again later",
		stream.AllFull:     "too many WebSockets and event streams are open; try again later",
		stream.Stopping:    "this server is stopping; connect again",
	}[why]
	return &Error{Status: http.StatusServiceUnavailable, Code: "too_many_streams", Detail: detail, RetryAfter: 5 * time.Second}
}

// openStream counts the response as a stream if it has no end of its own. The function
// end ends it when the server stops.
func (x *proxyRequest) openStream(end func()) (*stream.Stream, *Error) {
	s, refusal := x.u.config.Streams.Open(inflight.Key(x.in.Header.Get("X-Forwarded-For")), end)
	if refusal != stream.Opened {
		return nil, tooManyStreams(refusal)
	}
	return s, nil
}

// serveWebSocket connects the client with the service until the WebSocket ends.
func (x *proxyRequest) serveWebSocket(res *http.Response) *Error {
	service, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return brokeOff(fmt.Errorf("the transport cannot switch protocols: the body is a %T", res.Body))
	}
	defer service.Close()
	begun := make(chan *stream.Tunnel, 1)
	counted, refused := x.openStream(func() {
		select {
		case tunnel := <-begun:
			tunnel.End()
		default:
			_ = service.Close() // it has not begun
		}
	})
	if refused != nil {
		return refused
	}
	defer counted.Close()
	x.releaseSlot() // the service has answered; WebSockets have a limit of their own
	client, buffered, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return brokeOff(fmt.Errorf("the client's connection cannot switch protocols: %w", err))
	}
	if err := x.writeSwitch(client, res); err != nil {
		_ = client.Close()
		return nil // the client has gone
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered()) // sent after the handshake, and read with it
	tunnel := stream.NewTunnel(io.MultiReader(bytes.NewReader(early), client), client, service, x.u.config.Idle)
	begun <- tunnel
	tunnel.Run()
	return nil
}

// writeSwitch writes the service's answer to a handshake.
func (x *proxyRequest) writeSwitch(client net.Conn, res *http.Response) error {
	sanitize.StripHopByHop(res.Header)
	h := x.w.Header()
	copyHeaders(h, res.Header)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{websocket}
	_ = client.SetDeadline(time.Time{}) // the server's deadlines were for the request
	out := bufio.NewWriter(client)
	_, _ = fmt.Fprintf(out, "HTTP/1.1 %d %s\r\n", res.StatusCode, http.StatusText(res.StatusCode))
	_ = h.Write(out) // Flush reports an error of these
	_, _ = out.WriteString("\r\n")
	return out.Flush()
}

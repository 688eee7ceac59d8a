package h1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// connection is one connection to a server. Only one exchange uses it at a time.
type connection struct {
	net.Conn
	host      string
	raw       syscall.RawConn // nil if it is no socket
	idleSince time.Time
	out       []byte // the request, reused
	in        *bufio.Reader
	left      int64 // how many bytes the headers of a response may still have
	most      int64
	received  bool // a byte of the present response
	inBody    bool
}

func newConnection(c net.Conn, host string, mostHeader int64) *connection {
	on := &connection{Conn: c, host: host, most: mostHeader}
	on.in = bufio.NewReader(reader{on})
	if socket, ok := c.(syscall.Conn); ok {
		on.raw, _ = socket.SyscallConn() // without it, isOpen cannot look
	}
	return on
}

// abort ends all reads and writes. The connection is unusable afterwards.
func (c *connection) abort() { _ = c.SetDeadline(time.Unix(1, 0)) }

var errHeaderTooLarge = errors.New("h1: the headers of the response are too large")

// reader limits the headers of a response; the body's length is the caller's concern.
type reader struct{ c *connection }

func (r reader) Read(p []byte) (int, error) {
	if !r.c.inBody && r.c.left <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := r.c.Conn.Read(p)
	r.c.left -= int64(n)
	r.c.received = r.c.received || n > 0
	return n, err
}

// exchange sends r and reads the response up to its body. Informational responses (1xx)
// are dropped, as a proxy may (RFC 9110, section 15.2).
func (c *connection) exchange(r *http.Request) (*http.Response, error) {
	c.left, c.received, c.inBody = c.most, false, false
	if err := c.write(r); err != nil {
		return nil, err
	}
	for {
		res, err := http.ReadResponse(c.in, r)
		if err != nil {
			return nil, noEOF(err)
		}
		switch {
		case res.StatusCode < http.StatusContinue:
			return nil, fmt.Errorf("h1: %q is no status", res.Status)
		case res.StatusCode >= http.StatusOK, res.StatusCode == http.StatusSwitchingProtocols:
			c.inBody = true
			return res, nil
		}
	}
}

// noEOF returns an error that cannot be mistaken for the end of a body.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// write sends the whole request in one write.
func (c *connection) write(r *http.Request) error {
	out, err := appendHead(c.out[:0], r)
	if err != nil {
		return err
	}
	if out, err = appendBody(out, r); err != nil {
		return err
	}
	c.out = out
	_, err = c.Conn.Write(out)
	return err
}

// appendBody appends the body, which is read again for each connection.
func appendBody(out []byte, r *http.Request) ([]byte, error) {
	if r.ContentLength <= 0 {
		return out, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	at := len(out)
	out = slices.Grow(out, int(r.ContentLength))[:at+int(r.ContentLength)]
	if _, err := io.ReadFull(body, out[at:]); err != nil {
		return nil, fmt.Errorf("h1: read the body of the request: %w", noEOF(err))
	}
	return out, nil
}

// appendHead appends the request line and the headers.
func appendHead(out []byte, r *http.Request) ([]byte, error) {
	out = append(append(append(out, r.Method...), ' '), r.URL.RequestURI()...)
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	out = append(append(append(out, " HTTP/1.1\r\nHost: "...), host...), "\r\n"...)
	for name, values := range r.Header {
		if isOwn(name) {
			continue
		}
		for _, value := range values {
			if strings.ContainsAny(name, "\r\n: ") || breaksLine(value) {
				return nil, fmt.Errorf("h1: the header %q is not valid", name)
			}
			out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
		}
	}
	if r.ContentLength > 0 || r.Body != nil && r.Body != http.NoBody || needsLength(r.Method) {
		out = append(strconv.AppendInt(append(out, "Content-Length: "...), max(0, r.ContentLength), 10), "\r\n"...)
	}
	if r.Close {
		out = append(out, "Connection: close\r\n"...)
	}
	return append(out, "\r\n"...), nil
}

// breaksLine reports whether the value of a header would end it. Three searches for one
// byte cost less than one for three.
func breaksLine(value string) bool {
	return strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, 0) >= 0
}

// isOwn reports whether the header describes the connection and not the request.
func isOwn(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
		return true
	}
	return false
}

// needsLength reports whether a request without a body states so (RFC 9110, section 8.6).
func needsLength(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

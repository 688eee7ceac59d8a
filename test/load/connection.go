package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"troupe/client"
)

// connection is a connection to the gateway that carries one request at a time. The
// requests are written as they are, because http.Client would take more of the machine
// than the system does to refuse them.
type connection struct {
	net.Conn
	answers  *bufio.Reader
	deadline time.Time // of the connection
}

// An answer that takes longer than answerTime, or up to half a minute longer, has failed.
const answerTime = 30 * time.Second

var (
	livez         = []byte("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
	surgeOrder, _ = json.Marshal(map[string]any{
		"items": []client.Item{{SKU: plentiful, Quantity: 1}}, "payment_method": "pm_card_visa",
	})
)

// order returns the request that places an order.
func order(token string) []byte {
	return fmt.Appendf(nil, "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", token, len(surgeOrder), surgeOrder)
}

// exchange sends a request on an idle connection, or on a new one, and returns the answer.
func (s *Surge) exchange(ctx context.Context, request []byte) (status int, answer []byte, err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return 0, nil, err
	}
	keep := false
	if status, answer, keep, err = c.exchange(request); !keep {
		_ = c.Close() // it has answered, or cannot
		return status, answer, err
	}
	select {
	case s.idle <- c:
	default:
		_ = c.Close() // there are enough
	}
	return status, answer, nil
}

func (s *Surge) connect(ctx context.Context) (*connection, error) {
	select {
	case c := <-s.idle:
		return c, nil
	default:
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.gateway)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, answers: bufio.NewReader(conn)}, nil
}

func (c *connection) exchange(request []byte) (status int, answer []byte, keep bool, err error) {
	if now := time.Now(); c.deadline.Sub(now) < answerTime { // seldom, because it costs as much as the rest
		c.deadline = now.Add(2 * answerTime)
		_ = c.SetDeadline(c.deadline) // it fails only if the connection does
	}
	if _, err := c.Write(request); err != nil {
		return 0, nil, false, err
	}
	if status, answer, ok := c.readSmall(); ok {
		return status, answer, true, nil
	}
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, nil, false, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err == nil && !response.Close, err
}

var (
	endOfHeaders  = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	closing       = []byte("\r\nConnection: close")
)

// readSmall reads an answer that has arrived completely and whose length is known, as
// nearly all are, without a look at its other headers. Otherwise it reads nothing.
func (c *connection) readSmall() (status int, answer []byte, ok bool) {
	if _, err := c.answers.Peek(1); err != nil {
		return 0, nil, false
	}
	arrived, _ := c.answers.Peek(c.answers.Buffered()) // which cannot fail
	head, body, complete := bytes.Cut(arrived, endOfHeaders)
	_, after, known := bytes.Cut(head, contentLength)
	if !complete || !known || bytes.Contains(head, closing) || len(head) < len("HTTP/1.1 200") {
		return 0, nil, false
	}
	digits, _, _ := bytes.Cut(after, endOfHeaders[:2])
	length, err := strconv.Atoi(string(digits))
	if err != nil || length > len(body) {
		return 0, nil, false
	}
	if status, err = strconv.Atoi(string(head[len("HTTP/1.1 "):len("HTTP/1.1 200")])); err != nil || status < http.StatusOK {
		return 0, nil, false
	}
	answer = bytes.Clone(body[:length])
	_, _ = c.answers.Discard(len(head) + len(endOfHeaders) + length)
	return status, answer, true
}

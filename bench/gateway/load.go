package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// what describes the requests.
func (b *bench) what() string {
	if b.refusals {
		return "POST /orders with a token, refused"
	}
	return "GET with a token, 512 bytes of JSON"
}

// load sends n requests over some kept connections. Any other status than the expected one
// is an error.
func (b *bench) load(address string, clients, n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	var group errgroup.Group
	for range clients {
		group.Go(func() error {
			c, err := b.dial(address)
			if err != nil {
				return err
			}
			defer c.Close()
			for left.Add(-1) >= 0 {
				if err := c.exchange(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// connection sends one request at a time.
type connection struct {
	net.Conn
	request []byte
	answers *bufio.Reader
	want    int // the status of an answer
}

func (b *bench) dial(address string) (*connection, error) {
	c, err := net.Dial("tcp", address) //nolint:noctx // it is accepted at once
	if err != nil {
		return nil, err
	}
	line, body, want := "GET /orders/42", "", http.StatusOK
	if b.refusals {
		body = `{"items":[{"sku":"lantern","quantity":1}],"payment_method":"pm_card_visa"}`
		line, want = "POST /orders", http.StatusServiceUnavailable
	}
	request := line + " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nUser-Agent: bench\r\nAuthorization: Bearer " + b.token + "\r\n"
	if body != "" {
		request += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return &connection{c, []byte(request + "\r\n" + body), bufio.NewReader(c), want}, nil
}

func (c *connection) exchange() error {
	if _, err := c.Write(c.request); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != c.want {
		return fmt.Errorf("the answer is %s", res.Status)
	}
	return nil
}

// measureIdle opens connections to the gateway that have served one request each, keeps
// them idle, and reports the gateway's memory.
func (b *bench) measureIdle(n int) error {
	gateway := b.proxies[len(b.proxies)-1]
	before := gateway.memory()
	connections := make([]*connection, 0, n)
	for range n {
		c, err := b.dial(gateway.address)
		if err != nil {
			return fmt.Errorf("after %d connections: %w", len(connections), err)
		}
		defer c.Close() //nolint:gocritic // they are open together until the end
		if err := c.exchange(); err != nil {
			return fmt.Errorf("after %d connections: %w", len(connections), err)
		}
		connections = append(connections, c)
	}
	time.Sleep(time.Second)
	after := gateway.memory()
	fmt.Printf("%d idle connections: %.0f MB (%.0f MB without), %.1f KB each\n", n, after, before, (after-before)*1024/float64(n))
	return nil
}

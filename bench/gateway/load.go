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

// load sends n requests over some kept connections. Any other status than 200 is an error.
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
				if err := c.get(); err != nil {
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
}

func (b *bench) dial(address string) (*connection, error) {
	c, err := net.Dial("tcp", address) //nolint:noctx // it is accepted at once
	if err != nil {
		return nil, err
	}
	request := "GET /orders/42 HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nUser-Agent: bench\r\nAuthorization: Bearer " + b.token + "\r\n\r\n"
	return &connection{c, []byte(request), bufio.NewReader(c)}, nil
}

func (c *connection) get() error {
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
	if res.StatusCode != http.StatusOK {
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
		if err := c.get(); err != nil {
			return fmt.Errorf("after %d connections: %w", len(connections), err)
		}
		connections = append(connections, c)
	}
	time.Sleep(time.Second)
	after := gateway.memory()
	fmt.Printf("%d idle connections: %.0f MB (%.0f MB without), %.1f KB each\n", n, after, before, (after-before)*1024/float64(n))
	return nil
}

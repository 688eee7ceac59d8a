package rabbit

import (
	"net"
	"sync"
)

// corkSize is the most that a corked connection holds back, in bytes.
const corkSize = 64 << 10

// corkedConn is a connection that can send a batch of messages together. The client
// library writes each message separately, which would cost a system call and a packet
// per message on either side.
type corkedConn struct {
	net.Conn

	mu     sync.Mutex
	corked bool
	buffer []byte
}

func (c *corkedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.corked {
		return c.Conn.Write(p)
	}
	if len(c.buffer)+len(p) > corkSize {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	c.buffer = append(c.buffer, p...)
	return len(p), nil
}

// cork holds back what is written from now on, until uncork.
func (c *corkedConn) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = true
}

// uncork sends what was held back.
func (c *corkedConn) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	return c.flush()
}

func (c *corkedConn) flush() error {
	_, err := c.Conn.Write(c.buffer)
	c.buffer = c.buffer[:0]
	return err
}

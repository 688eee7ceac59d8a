package netlimit

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// The directions in which a client may be too slow, as values of a label.
const (
	sending = "sending"
	reading = "reading"
)

// conn is a connection whose waits for the client are limited. All writes are. Reads
// are while a body is expected: between requests and while one is handled the server
// has limits of its own, or waits only to notice that the client disconnects.
type conn struct {
	net.Conn
	limiter *Limiter
	client  netip.Addr
	closing sync.Once

	mu      sync.Mutex
	body    bodyState
	drainBy time.Time // in the state draining
	late    bool      // a body did not arrive in time, so what comes next cannot be the next request
	aborts  bool      // in the state draining: the server interrupts a read that a handler has left behind
	reading bool      // a read is under way
	writing bool      // a write is under way
	read    side
	write   side
}

// side is one direction of a connection.
type side struct {
	// credit is how long the client may still keep the server waiting. Waiting uses it
	// up, and every byte restores it by what the byte may take, up to Grace.
	credit time.Duration
	asked  time.Time // the deadline that the server or a handler has set; zero for none
	// inForce is the deadline of the connection. To set one costs more than to look at it:
	// the server sets many that no read ever sees, and of writes each would move it a little.
	inForce time.Time
}

type bodyState uint8

const (
	noBody       bodyState = iota
	bodyExpected           // a handler may be reading it
	draining               // the handler has ended, and net/http discards what is left
)

func (l *Limiter) newConn(c net.Conn, client netip.Addr) *conn {
	return &conn{Conn: c, limiter: l, client: client, write: side{credit: l.config.Grace}}
}

// Close closes the connection and ends its count.
func (c *conn) Close() error {
	c.closing.Do(func() { c.limiter.release(c.client) })
	return c.Conn.Close()
}

// CloseWrite ends what is sent and leaves the connection open for reading. net/http
// needs it to end a connection so that the client still receives the last answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// expectBody limits reads from now on.
func (c *conn) expectBody() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body, c.aborts, c.read.credit = bodyExpected, false, c.limiter.config.Grace
}

// endBody ends the limit of reads: the body has arrived completely.
func (c *conn) endBody() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body = noBody
	if c.reading { // else the next read puts it in force
		_ = c.setRead(c.read.asked) // an error means that it is closed
	}
}

// drainBody limits how long what is left of the body may take.
func (c *conn) drainBody() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.body == bodyExpected {
		c.body, c.drainBy = draining, time.Now().Add(c.limiter.config.Drain)
	}
}

// SetReadDeadline sets the deadline of reads. While a body is expected, an earlier one
// may be in force.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read.asked = t
	if c.body == draining {
		c.endDrain(t)
	}
	if !c.reading {
		return nil // the next read puts it in force
	}
	return c.setRead(c.readDeadline())
}

// setRead puts a deadline of reads in force.
func (c *conn) setRead(t time.Time) error {
	if t.Equal(c.read.inForce) {
		return nil
	}
	c.read.inForce = t
	return c.Conn.SetReadDeadline(t)
}

// endDrain decides what a deadline means that the server sets after the handler has ended.
// It is done with the body, unless it interrupts a read that the handler has left behind:
// for that it sets a deadline in the past and then none, before it discards the body.
func (c *conn) endDrain(t time.Time) {
	switch {
	case !t.IsZero() && t.Before(time.Now()):
		c.aborts = true
	case c.aborts:
		c.aborts = false
	default:
		c.body = noBody
	}
}

// SetWriteDeadline sets the deadline of writes. An earlier one may be in force.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write.asked = t
	if !c.writing {
		return nil // the next write puts it in force
	}
	return c.setWrite(earlier(t, time.Now().Add(c.write.credit)))
}

// setWrite puts a deadline of writes in force.
func (c *conn) setWrite(t time.Time) error {
	c.write.inForce = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets the deadlines of reads and writes.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) readDeadline() time.Time {
	switch c.body {
	case bodyExpected:
		return earlier(c.read.asked, time.Now().Add(c.read.credit))
	case draining:
		return earlier(earlier(c.read.asked, time.Now().Add(c.read.credit)), c.drainBy)
	}
	return c.read.asked
}

// earlier returns the earlier of two deadlines, of which a may be zero, for none.
func earlier(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// Read reads from the client. It fails with os.ErrDeadlineExceeded, from then on
// always, if a body is expected and arrives below the minimum rate.
func (c *conn) Read(p []byte) (int, error) {
	began, limited, err := c.beginRead()
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.endRead(n, err, began, limited)
	return n, err
}

func (c *conn) beginRead() (began time.Time, limited bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.late {
		return time.Time{}, false, os.ErrDeadlineExceeded
	}
	if limited = c.body != noBody; limited {
		began = time.Now()
	}
	c.reading = true
	_ = c.setRead(c.readDeadline()) // the read fails too if this does
	return began, limited, nil
}

func (c *conn) endRead(n int, err error, began time.Time, limited bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if !limited || c.body == noBody {
		return // this read waited for what follows the body
	}
	c.settle(&c.read, n, time.Since(began))
	c.late = errors.Is(err, os.ErrDeadlineExceeded)
	c.countSlow(sending, err)
}

// Write writes to the client. It fails with os.ErrDeadlineExceeded if the client reads
// below the minimum rate.
func (c *conn) Write(p []byte) (written int, err error) {
	for {
		began := c.beginWrite()
		n, err := c.Conn.Write(p[written:])
		written += n
		left, asked := c.endWrite(n, began)
		if left > 0 && errors.Is(err, os.ErrDeadlineExceeded) && (asked.IsZero() || time.Now().Before(asked)) {
			continue // the client reads, if slowly, or the deadline in force was a former one
		}
		c.countSlow(reading, err)
		return written, err
	}
}

func (c *conn) beginWrite() (began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = true
	began = time.Now()
	by := earlier(c.write.asked, began.Add(c.write.credit))
	if c.write.inForce.After(by) || c.write.inForce.Before(by.Add(-c.write.credit/2)) {
		_ = c.setWrite(by) // the write fails too if this does
	}
	return began
}

func (c *conn) endWrite(n int, began time.Time) (left time.Duration, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = false
	return c.settle(&c.write, n, time.Since(began)), c.write.asked
}

// settle subtracts the time that n bytes took from the credit, adds what they may
// take, and returns what is left. c.mu must be held.
func (c *conn) settle(s *side, n int, took time.Duration) time.Duration {
	earned := time.Duration(n) * time.Second / time.Duration(c.limiter.config.MinRate)
	s.credit = max(0, min(c.limiter.config.Grace, s.credit-took+earned))
	return s.credit
}

func (c *conn) countSlow(direction string, err error) {
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.limiter.metrics.slow.WithLabelValues(direction).Inc()
	}
}

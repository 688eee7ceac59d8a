package stream

import (
	"errors"
	"io"
	"sync"
	"time"
)

// closeWait is how long both sides of a WebSocket have to end it after a close frame.
const closeWait = 2 * time.Second

// Tunnel carries the bytes of a WebSocket between a client and a service, unchanged.
type Tunnel struct {
	toService, toClient direction
	idle                time.Duration
	timer               *time.Timer // ends the tunnel when nothing has been carried for too long
}

// direction is one way through a tunnel.
type direction struct {
	from   io.Reader
	to     io.ReadWriteCloser
	tunnel *Tunnel
	masked bool // the frames of a client are

	mu     sync.Mutex // held while writing
	frames frames
	state  state
}

type state uint8

const (
	carrying state = iota
	closing        // a close frame follows as soon as the frame that has begun ends
	closed         // further bytes are discarded: no frame may follow a close frame
)

// NewTunnel returns a tunnel between client and service. early reads what the client has
// sent already, and then the client. The tunnel ends when neither side has sent anything
// for idle.
func NewTunnel(early io.Reader, client, service io.ReadWriteCloser, idle time.Duration) *Tunnel {
	t := &Tunnel{idle: idle}
	t.toService = direction{from: early, to: service, tunnel: t, masked: true}
	t.toClient = direction{from: service, to: client, tunnel: t}
	return t
}

// Run carries bytes until both directions have ended, and closes both connections. A side
// that ends what it sends may still receive.
func (t *Tunnel) Run() {
	t.timer = time.AfterFunc(t.idle, t.abort)
	defer t.timer.Stop()
	defer t.abort()
	var both sync.WaitGroup
	both.Go(t.toService.carry)
	both.Go(func() {
		t.toClient.carry()
		time.AfterFunc(closeWait, t.abort) // what a client sends to a service that has closed has no effect
	})
	both.Wait()
}

// End asks both sides to end the WebSocket, with a close frame each. If they do not, the
// connections are closed. It does not block.
func (t *Tunnel) End() {
	go t.toService.sendClose()
	go t.toClient.sendClose()
	time.AfterFunc(closeWait, t.abort)
}

func (t *Tunnel) abort() {
	_ = t.toService.to.Close() // both are abandoned
	_ = t.toClient.to.Close()
}

const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func (d *direction) carry() {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		n, err := d.from.Read(buffer[:])
		if n > 0 {
			d.tunnel.timer.Reset(d.tunnel.idle)
			if d.write(buffer[:n]) != nil {
				d.tunnel.abort()
				return
			}
		}
		if err != nil {
			d.end(err)
			return
		}
	}
}

// end passes on that a side has ended what it sends. If that cannot be expressed, or the
// connection broke, the whole tunnel ends.
func (d *direction) end(err error) {
	if half, ok := d.to.(interface{ CloseWrite() error }); ok && errors.Is(err, io.EOF) && half.CloseWrite() == nil {
		return
	}
	d.tunnel.abort()
}

func (d *direction) write(p []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.state {
	case closed:
		return nil
	case closing:
		n := d.frames.next(p)
		if !d.frames.atBoundary() {
			_, err := d.to.Write(p)
			return err
		}
		d.state = closed
		_, err := d.to.Write(append(p[:n:n], goingAway(d.masked)...))
		return err
	}
	d.frames.skip(p)
	_, err := d.to.Write(p)
	return err
}

func (d *direction) sendClose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != carrying {
		return
	}
	if !d.frames.atBoundary() {
		d.state = closing
		return
	}
	d.state = closed
	if _, err := d.to.Write(goingAway(d.masked)); err != nil {
		d.tunnel.abort()
	}
}

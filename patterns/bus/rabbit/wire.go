package rabbit

import (
	"net"
	"sync"
)

// corkSize is how much a corked wire holds back at most, in bytes.
const corkSize = 64 << 10

// wire is a connection on which a batch of messages can leave together. The
// client library writes each by itself, which would cost a system call and a
// packet per message on either side.
type wire struct {
	net.Conn

	mu     sync.Mutex
	corked bool
	held   []byte
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.corked {
		return w.Conn.Write(p)
	}
	if len(w.held)+len(p) > corkSize {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	w.held = append(w.held, p...)
	return len(p), nil
}

// cork holds back what is written until uncork.
func (w *wire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

func (w *wire) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	return w.flush()
}

func (w *wire) flush() error {
	_, err := w.Conn.Write(w.held)
	w.held = w.held[:0]
	return err
}

package sqldb

import "sync"

// readers are the connections of an SQLite database that only read. The one that was
// released last is taken first, so that no more are open than have been in use at a time:
// each has its own pages in memory, its schema and its prepared statements.
type readers struct {
	free chan struct{} // one for each that is not in use, open or not

	mu   sync.Mutex
	idle []*conn // those that are open and not in use, the last released at the end
}

func newReaders(n int) *readers {
	r := &readers{free: make(chan struct{}, n)}
	for range n {
		r.free <- struct{}{}
	}
	return r
}

// pop returns an open connection, nil if none is idle. The caller has received from free
// before, unless the database is closed.
func (r *readers) pop() *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.idle) - 1
	if last < 0 {
		return nil
	}
	c := r.idle[last]
	r.idle = r.idle[:last]
	return c
}

// push gives a connection back: nil if it could not be opened.
func (r *readers) push(c *conn) {
	if c != nil {
		r.mu.Lock()
		r.idle = append(r.idle, c)
		r.mu.Unlock()
	}
	r.free <- struct{}{}
}

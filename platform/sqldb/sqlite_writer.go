package sqldb

import (
	"context"
	"runtime"
	"sync"
)

// maxGroup is how many transactions may share one commit.
const maxGroup = 256

// writer is the one connection that writes, the queue for it, and the group of
// transactions that share its next commit. The package comment describes the group
// commit. This file has the queue and the turn; sqlite_group.go has the statements.
//
// Who holds the turn may use the connection. It passes from caller to caller without
// a goroutine in between: acquire takes it and handOver passes it on.
type writer struct {
	conn     *conn
	limit    int  // of a group, in transactions
	inMemory bool // a private database: nothing is ever flushed to disk

	mu      sync.Mutex
	busy    bool          // a caller holds the turn
	queue   []*groupTx    // in order of arrival
	closing chan struct{} // not nil once close is called; closed when the turn ends

	// Only the holder of the turn uses the rest.
	begun   bool       // a BEGIN is waiting for its COMMIT or ROLLBACK
	relaxed bool       // the commit of this group is not flushed to disk
	flushes bool       // the connection's present setting: commits are flushed
	group   []*groupTx // those that have run and wait for the commit
	broken  error      // why the whole group cannot commit
}

// groupTx is one transaction in the queue or in a group.
type groupTx struct {
	relaxed bool
	// answer receives two values: first nil for the turn, or an error if the
	// transaction will not run; then, after the group's commit, its result.
	answer chan error
}

// transact runs fn in a transaction and returns once it is durable or rolled back.
func (w *writer) transact(ctx context.Context, relaxed bool, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &groupTx{relaxed: relaxed, answer: make(chan error, 1)}
	if err := w.acquire(ctx, t); err != nil {
		return err
	}
	if err := w.run(ctx, t, fn); err != nil {
		return err
	}
	return <-t.answer
}

// exclusively runs f while no transaction runs on this connection.
func (w *writer) exclusively(ctx context.Context, f func() error) error {
	if err := w.acquire(ctx, &groupTx{answer: make(chan error, 1)}); err != nil {
		return err
	}
	defer w.handOver()
	return f()
}

// acquire waits in the queue. It returns nil when t holds the turn.
func (w *writer) acquire(ctx context.Context, t *groupTx) error {
	w.mu.Lock()
	switch {
	case w.closing != nil:
		w.mu.Unlock()
		return ErrClosed
	case !w.busy:
		w.busy = true
		w.mu.Unlock()
		return nil
	}
	w.queue = append(w.queue, t)
	w.mu.Unlock()
	select {
	case err := <-t.answer:
		return err
	case <-ctx.Done():
		if w.leaveQueue(t) {
			return ctx.Err()
		}
		return <-t.answer // it is out of the queue already, and its answer on the way
	}
}

// leaveQueue removes t from the queue and reports whether it was still there.
func (w *writer) leaveQueue(t *groupTx) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == t {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// run runs fn as part of the group and hands the turn over. If it returns nil, t is
// in the group and will get the result of the commit.
func (w *writer) run(ctx context.Context, t *groupTx, fn func() error) (err error) {
	finished := false
	defer func() {
		if !finished { // fn panicked or called runtime.Goexit
			w.rollbackOne(nil)
		}
		w.handOver()
	}()
	if err := ctx.Err(); err != nil {
		finished = true
		return err
	}
	if err := w.begin(t); err != nil {
		finished = true
		return err
	}
	err = fn()
	finished = true
	if err != nil {
		w.rollbackOne(err)
		return err
	}
	return w.join(t)
}

// handOver passes the turn to the next caller that may join the group. If there is
// none it commits the group and passes the turn to the first of the next group.
func (w *writer) handOver() {
	if w.begun {
		if t := w.nextInGroup(); t != nil {
			t.answer <- nil
			return
		}
		w.commit()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.dequeue(); t != nil {
		t.answer <- nil
		return
	}
	w.busy = false
	if w.closing != nil {
		close(w.closing)
	}
}

// nextInGroup takes the first caller out of the queue if it may join the group. It
// returns nil if the group must be committed now.
func (w *writer) nextInGroup() *groupTx {
	if w.broken != nil || len(w.group) >= w.limit {
		return nil
	}
	if w.limit > 1 && !w.hasWaiting() {
		runtime.Gosched() // goroutines that are ready to run may be about to queue up
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 || w.relaxed && !w.queue[0].relaxed {
		return nil
	}
	return w.dequeue()
}

// hasWaiting reports whether a caller waits in the queue.
func (w *writer) hasWaiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue) > 0
}

// dequeue takes the first caller out of the queue, nil if there is none. The caller of
// dequeue must hold mu.
func (w *writer) dequeue() *groupTx {
	if len(w.queue) == 0 {
		return nil
	}
	t := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	return t
}

// refuseWaiting answers all callers in the queue with the error of the one that has the
// turn. They have waited with it for another program's lock; if each waited again by
// itself, the last would wait longer than its caller does. The caller of refuseWaiting
// must hold mu.
func (w *writer) refuseWaiting(err error) {
	for _, t := range w.queue {
		t.answer <- err
	}
	w.queue = nil
}

// close refuses the callers in the queue, waits for the group that runs, and closes
// the connection.
func (w *writer) close() error {
	w.mu.Lock()
	if w.closing != nil {
		w.mu.Unlock()
		return nil
	}
	w.closing = make(chan struct{})
	w.refuseWaiting(ErrClosed)
	busy := w.busy
	w.mu.Unlock()
	if busy {
		<-w.closing
	}
	return w.conn.close()
}

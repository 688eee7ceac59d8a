package sqldb

import (
	"context"
	"runtime"
	"sync"
)

// maxGroup is how many transactions may share one commit.
const maxGroup = 256

// writer is the one connection that writes, and the queue for it.
//
// There is no goroutine behind it: each caller runs its own transaction on its
// own goroutine (so a panic is the caller's panic) while it holds the turn, and
// hands the turn on. Callers that queue up meanwhile join the group of the first:
//
//	first:   BEGIN IMMEDIATE, fn,                 turn ->
//	second:  SAVEPOINT, fn, RELEASE,              turn ->
//	last:    SAVEPOINT, fn, RELEASE, COMMIT, answer all, turn -> first of the next group
//
// One that fails rolls back to its savepoint and leaves the group; the others
// never notice. A savepoint is made only if there is something before it to keep.
type writer struct {
	conn  *conn
	limit int  // of a group
	scrap bool // a private database: nothing is ever flushed to disk

	mu      sync.Mutex
	busy    bool      // somebody holds the turn
	queue   []*member // in order of arrival
	closing chan struct{}

	// The rest belongs to whoever holds the turn.
	begun   bool
	relaxed bool // this group does without the flush to disk
	flushes bool // commits flush to disk as the connection stands
	group   []*member
	broken  error // why the whole group cannot commit
}

// member is one transaction in the queue or in a group.
type member struct {
	relaxed bool
	// answer says twice how it goes: nil for "your turn" (or an error instead),
	// then the outcome of the commit.
	answer chan error
}

// do runs fn in a transaction and returns once it is durable or undone.
func (w *writer) do(ctx context.Context, relaxed bool, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &member{relaxed: relaxed, answer: make(chan error, 1)}
	if err := w.wait(ctx, m); err != nil {
		return err
	}
	if err := w.run(ctx, m, fn); err != nil {
		return err
	}
	return <-m.answer
}

// idle runs f while nobody writes on this connection.
func (w *writer) idle(ctx context.Context, f func() error) error {
	if err := w.wait(ctx, &member{answer: make(chan error, 1)}); err != nil {
		return err
	}
	defer w.pass()
	return f()
}

// wait returns nil when m holds the turn.
func (w *writer) wait(ctx context.Context, m *member) error {
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
	w.queue = append(w.queue, m)
	w.mu.Unlock()
	select {
	case err := <-m.answer:
		return err
	case <-ctx.Done():
		if w.leave(m) {
			return ctx.Err()
		}
		return <-m.answer // too late, it is being answered
	}
}

// leave takes m out of the queue, if it is still there.
func (w *writer) leave(m *member) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == m {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// run runs fn as part of the group and hands the turn on. If it returns nil, m
// is in the group and will be answered.
func (w *writer) run(ctx context.Context, m *member, fn func() error) (err error) {
	finished := false
	defer func() {
		if !finished { // fn panicked, or ended its goroutine
			w.undo()
		}
		w.pass()
	}()
	if err := ctx.Err(); err != nil {
		finished = true
		return err
	}
	if err := w.begin(m); err != nil {
		finished = true
		return err
	}
	err = fn()
	finished = true
	if err != nil {
		w.undo()
		return err
	}
	return w.keep(m)
}

// begin starts a group, or m's part of one.
func (w *writer) begin(m *member) error {
	if len(w.group) > 0 {
		return w.control("SAVEPOINT member")
	}
	w.relaxed = m.relaxed
	if err := w.flush(!m.relaxed); err != nil {
		return err
	}
	if err := w.control("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	w.begun = true
	return nil
}

// flush has the commits from now on flushed to disk, or not.
func (w *writer) flush(on bool) error {
	if on == w.flushes || w.scrap {
		return nil
	}
	mode := "PRAGMA synchronous = NORMAL"
	if on {
		mode = "PRAGMA synchronous = FULL"
	}
	if err := w.control(mode); err != nil {
		return err
	}
	w.flushes = on
	return nil
}

// keep adds m's part to the group.
func (w *writer) keep(m *member) error {
	if len(w.group) > 0 {
		if err := w.control("RELEASE member"); err != nil {
			w.broken = err
			return err
		}
	}
	w.group = append(w.group, m)
	return nil
}

// undo takes back the part of the one who holds the turn.
func (w *writer) undo() {
	if len(w.group) == 0 {
		w.rollback()
		return
	}
	if err := w.control("ROLLBACK TO member"); err != nil {
		w.broken = err
		return
	}
	if err := w.control("RELEASE member"); err != nil {
		w.broken = err
	}
}

func (w *writer) rollback() {
	_ = w.control("ROLLBACK") // fails only if the database has rolled back by itself
	w.begun = false
}

// pass hands the turn to one who may join the group; else it ends the group and
// starts the next.
func (w *writer) pass() {
	if w.begun {
		if m := w.joiner(); m != nil {
			m.answer <- nil
			return
		}
		w.commit()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.shift(); m != nil {
		m.answer <- nil
		return
	}
	w.busy = false
	if w.closing != nil {
		close(w.closing)
	}
}

// joiner takes the next member out of the queue if it may join the group.
func (w *writer) joiner() *member {
	if w.broken != nil || len(w.group) >= w.limit {
		return nil
	}
	if w.limit > 1 && !w.waiting() {
		runtime.Gosched() // those who are ready to run may be about to queue up
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 || w.relaxed && !w.queue[0].relaxed {
		return nil
	}
	return w.shift()
}

func (w *writer) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue) > 0
}

// shift takes the first member out of the queue. Needs mu.
func (w *writer) shift() *member {
	if len(w.queue) == 0 {
		return nil
	}
	m := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	return m
}

// commit ends the group and answers its members.
func (w *writer) commit() {
	err := w.broken
	if err == nil {
		err = w.control("COMMIT")
	}
	if err != nil {
		w.rollback()
	}
	w.begun = false
	w.broken = nil
	for i, m := range w.group {
		m.answer <- err
		w.group[i] = nil
	}
	w.group = w.group[:0]
}

// control runs a statement that no context may interrupt: it is about others too.
func (w *writer) control(text string) error {
	if _, err := w.conn.exec(context.Background(), text); err != nil {
		return failed(text, err)
	}
	return nil
}

// close refuses those who wait, lets the group that runs end, and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	if w.closing != nil {
		w.mu.Unlock()
		return nil
	}
	w.closing = make(chan struct{})
	for _, m := range w.queue {
		m.answer <- ErrClosed
	}
	w.queue = nil
	busy := w.busy
	w.mu.Unlock()
	if busy {
		<-w.closing
	}
	return w.conn.close()
}

package sqldb

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// begin starts a group, or t's part of the group that has begun. The first of a group
// needs no savepoint: there is nothing before it to keep.
func (w *writer) begin(t *groupTx) error {
	if len(w.group) > 0 {
		return w.exec("SAVEPOINT group_tx")
	}
	w.relaxed = t.relaxed
	if err := w.setFlush(!t.relaxed); err != nil {
		return err
	}
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		if isLocked(err) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refuseWaiting(err)
		}
		return err
	}
	w.begun = true
	return nil
}

// isLocked reports whether another program holds the lock of the file.
func isLocked(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// setFlush sets whether the next commits are flushed to disk.
func (w *writer) setFlush(on bool) error {
	if on == w.flushes || w.inMemory {
		return nil
	}
	mode := "PRAGMA synchronous = NORMAL"
	if on {
		mode = "PRAGMA synchronous = FULL"
	}
	if err := w.exec(mode); err != nil {
		return err
	}
	w.flushes = on
	return nil
}

// join adds t, which has run, to the group.
func (w *writer) join(t *groupTx) error {
	if len(w.group) > 0 {
		if err := w.exec("RELEASE group_tx"); err != nil {
			w.broken = err
			return err
		}
	}
	w.group = append(w.group, t)
	return nil
}

// rollbackOne rolls back the transaction that holds the turn, which failed with cause.
// The rest of the group keeps its work, unless SQLite has rolled back all of it by
// itself, as it may when the disk is full: then the group fails with the same cause.
func (w *writer) rollbackOne(cause error) {
	if len(w.group) == 0 {
		w.rollbackGroup()
		return
	}
	err := w.exec("ROLLBACK TO group_tx")
	if err == nil {
		err = w.exec("RELEASE group_tx")
	}
	if err == nil {
		return
	}
	w.broken = err
	if storageFault(cause) != nil {
		w.broken = cause
	}
}

// rollbackGroup rolls back everything since BEGIN.
func (w *writer) rollbackGroup() {
	_ = w.exec("ROLLBACK") // fails only if SQLite has rolled back by itself
	w.begun = false
}

// commit ends the group and sends the result to all who are in it.
func (w *writer) commit() {
	err := w.broken
	if err == nil {
		err = w.exec("COMMIT")
	}
	if err != nil {
		w.rollbackGroup()
	}
	w.begun = false
	w.broken = nil
	for i, t := range w.group {
		t.answer <- err
		w.group[i] = nil
	}
	w.group = w.group[:0]
}

// exec runs a statement that concerns the whole group, so no caller's context may
// interrupt it.
func (w *writer) exec(text string) error {
	if _, err := w.conn.exec(context.Background(), text); err != nil {
		return withStatement(text, err)
	}
	return nil
}

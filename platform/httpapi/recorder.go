package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// recorder remembers what was answered, and why.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	cause  error // for the log
	stack  string
	abort  bool
}

// Unwrap lets http.ResponseController flush.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status != 0 {
		return // a second status would only make the server complain
	}
	if status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// panicked answers in the handler's place. If it had begun to answer, the
// connection is broken off, so that nobody takes half an answer for a whole one.
func (w *recorder) panicked(r *http.Request, cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		w.abort = true
		return
	}
	err := fmt.Errorf("panic: %v", cause)
	w.stack = string(debug.Stack())
	if w.status != 0 {
		w.cause, w.abort = err, true
		return
	}
	w.Header().Del("Content-Length")
	w.Header().Del("Content-Encoding")
	WriteProblem(w, r, err)
}

// noteCause keeps for the log what the caller is not told.
func noteCause(w http.ResponseWriter, p *problem) {
	for {
		switch t := w.(type) {
		case *recorder:
			t.cause = p.cause
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return
		}
	}
}

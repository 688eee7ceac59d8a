package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
)

// middleware wraps a handler with something that every request needs.
type middleware func(http.Handler) http.Handler

// chain returns h behind the middlewares; the first of them sees a request first.
func chain(h http.Handler, all ...middleware) http.Handler {
	for _, wrap := range slices.Backward(all) {
		h = wrap(h)
	}
	return h
}

// limitBody makes reading more than MaxBody bytes an error. It must be outside of
// the access log: http.MaxBytesReader asks the server's own ResponseWriter to close
// the connection, and does not look through a wrapper.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &limitedBody{http.MaxBytesReader(w, r.Body, MaxBody), r.Body, w}
		}
		next.ServeHTTP(w, r)
	})
}

// limitedBody is a body with a limit that can be changed.
type limitedBody struct {
	io.ReadCloser
	whole io.ReadCloser
	w     http.ResponseWriter
}

// LimitBody changes the largest size of the body that a handler added by Handle or
// Fallback may read, in bytes; without it the limit is MaxBody. Call it before the body
// is read.
func LimitBody(r *http.Request, most int64) {
	if body, ok := r.Body.(*limitedBody); ok {
		body.ReadCloser = http.MaxBytesReader(body.w, body.whole, most)
	}
}

// recoverPanics answers 500 in the place of a handler that panics. If the response
// had begun, the connection is aborted instead, so that no client mistakes half a
// response for a whole one. It must be inside of the access log, which logs the panic.
func recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if cause := recover(); cause != nil {
				answerPanic(w, r, cause)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func answerPanic(w http.ResponseWriter, r *http.Request, cause any) {
	rec := recorderOf(w)
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		rec.aborted = true
		panic(http.ErrAbortHandler)
	}
	err := fmt.Errorf("panic: %v", cause)
	rec.stack = string(debug.Stack())
	if rec.status != 0 {
		rec.cause, rec.aborted = err, true
		panic(http.ErrAbortHandler)
	}
	w.Header().Del("Content-Length")
	w.Header().Del("Content-Encoding")
	WriteProblem(w, r, err)
}

package httpapi

import "net/http"

// responseRecorder keeps what was answered, and why, for the access log.
type responseRecorder struct {
	http.ResponseWriter
	status  int
	bytes   int64
	cause   error  // of a problem or a panic; not shown to the caller
	stack   string // of a panic
	aborted bool   // the response ended before it was complete
}

// Unwrap lets http.ResponseController find the server's ResponseWriter, to flush.
func (w *responseRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responseRecorder) WriteHeader(status int) {
	if w.status != 0 {
		return // the server would only log a second status as superfluous
	}
	if status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseRecorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// recorderOf returns the recorder that w is or wraps, or nil if there is none.
func recorderOf(w http.ResponseWriter) *responseRecorder {
	for {
		switch t := w.(type) {
		case *responseRecorder:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// recordCause keeps p's cause, which the caller does not see, for the access log.
func recordCause(w http.ResponseWriter, p *problem) {
	if rec := recorderOf(w); rec != nil {
		rec.cause = p.cause
	}
}

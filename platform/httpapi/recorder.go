package httpapi

import (
	"bufio"
	"net"
	"net/http"
	"strings"
)

// responseRecorder keeps what was answered, and why, for the access log.
type responseRecorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	user   string // the caller's id, "" if it is not known
	code   string // of a problem, "" if there is none
	cause  error  // of a problem or a panic; not shown to the caller
	// ignoredToken is the code of what is wrong with the token of a public operation's
	// caller, "" if there is none or it is valid.
	ignoredToken string
	stack        string // of a panic
	aborted      bool   // the response ended before it was complete
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

// created returns the path of what the request has created, without a query, "" if it is not
// known. A search of the log for the id of something begins with that line.
func (w *responseRecorder) created() string {
	if w.status != http.StatusCreated {
		return ""
	}
	path, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	return truncate(path)
}

// Hijack takes over the connection, for a switch to another protocol.
func (w *responseRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
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

// recordCause keeps p's code and cause for the access log. The caller does not see the
// cause.
func recordCause(w http.ResponseWriter, p *problem) {
	if rec := recorderOf(w); rec != nil {
		rec.cause, rec.code = p.cause, p.Code
	}
}

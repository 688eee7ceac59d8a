package app

import (
	"io"
	"net/http"
	"time"

	"troupe/platform/fault"
	"troupe/platform/httpapi"
)

// startupWait is how long a request waits for a service that is starting. It is
// shorter than the timeouts of the callers.
const startupWait = 2 * time.Second

// startupHandler serves a port from the moment it is bound, which may be long before
// the service is ready: its database may be unreachable. It reports the process as
// live but not ready. Other requests wait a little, because most starts are short and
// a request that is refused may not be sent again.
type startupHandler struct {
	opened  chan struct{}
	handler http.Handler // set before opened is closed
}

func newStartupHandler() *startupHandler { return &startupHandler{opened: make(chan struct{})} }

// open passes all requests on to h from now on.
func (d *startupHandler) open(h http.Handler) {
	d.handler = h
	close(d.opened)
}

func (d *startupHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.isOpen() {
		switch r.URL.Path {
		case "/livez":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"status":"ok"}`) // an error means that the caller has gone
			return
		case "/health", "/readyz", "/metrics":
		default:
			d.wait(r)
		}
	}
	if !d.isOpen() {
		httpapi.WriteProblem(w, r, &fault.Error{
			Kind: fault.Unavailable, Code: "not_ready", Message: "this service is still starting; try again", RetryAfter: time.Second,
		})
		return
	}
	d.handler.ServeHTTP(w, r)
}

func (d *startupHandler) isOpen() bool {
	select {
	case <-d.opened:
		return true
	default:
		return false
	}
}

func (d *startupHandler) wait(r *http.Request) {
	timer := time.NewTimer(startupWait)
	defer timer.Stop()
	select {
	case <-d.opened:
	case <-timer.C:
	case <-r.Context().Done():
	}
}

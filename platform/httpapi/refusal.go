package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"troupe/platform/telemetry"
)

// Refusal is a problem document of which thousands a second may be written, so it is built
// in advance.
type Refusal struct {
	status     int
	code       string
	begin, end []byte // around the request's id
}

var problemTypes = []string{problemType}

// NewRefusal returns a refusal; see WriteStatus.
func NewRefusal(status int, code, detail string) *Refusal {
	const id = "the-id-of-a-request"
	var document bytes.Buffer
	_ = encode(&document, newProblem(telemetry.WithRequestID(context.Background(), id), status, code, detail)) // it is all text
	begin, end, _ := bytes.Cut(document.Bytes(), []byte(id))
	return &Refusal{status, code, begin, end}
}

// Write answers with the refusal.
func (p *Refusal) Write(w http.ResponseWriter, r *http.Request, retryAfter time.Duration) {
	if rec := recorderOf(w); rec != nil {
		rec.code = p.code
	}
	h := w.Header()
	Protect(h)
	seconds := (retryAfter + time.Second - 1) / time.Second
	h["Content-Type"], h["Retry-After"] = problemTypes, []string{strconv.Itoa(int(seconds))}
	w.WriteHeader(p.status)
	_, _ = w.Write(slices.Concat(p.begin, []byte(telemetry.RequestID(r.Context())), p.end)) // the client may have disconnected
}

// ServeBriefly calls h behind the least that every response has: its request id, the access
// log and the metrics. It is for refusals, which must cost a busy process little. They have
// no span, and h does not read the body.
func (a *API) ServeBriefly(h http.Handler, w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Content-Type-Options"] = nosniff
	a.serveLogged(h, w, r.WithContext(identifyRequest(w, r)))
}

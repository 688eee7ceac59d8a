// Package compose answers one request with the responses of several services (API
// composition). The parts are fetched in parallel, each with a deadline of its own and
// through its service's circuit breaker and limits.
//
// A part that fails does not fail the whole: it is left out, and the response names it in
// the member "missing" and in the header X-Missing-Parts. Two things concern the whole: a
// token that a service refuses (401), and the failure of the base, the part without which
// the others mean nothing.
package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"troupe/services/gateway/internal/upstream"
)

// MissingParts is the response header that names the missing parts.
const MissingParts = "X-Missing-Parts"

// maxPart is the largest response of a service, in bytes, that becomes a part.
const maxPart = 256 << 10

// Part is the request for one part of the response.
type Part struct {
	Name     string
	Upstream *upstream.Upstream
	URL      *url.URL      // path and query
	Timeout  time.Duration // 0: as long as the upstream allows
	// Select returns the part in the service's response. If it is nil, the whole is the part,
	// which must be an object.
	Select func(response []byte) (json.RawMessage, error)
}

// Missing is a part that the response does not have.
type Missing struct {
	Part  string `json:"part"`
	Code  string `json:"code"` // as in the problem document of the service or the gateway
	Cause error  `json:"-"`    // for the log
}

// Result is what became of the parts.
type Result struct {
	// Whole is the response to pass on instead of a composed one: that of the base if it is
	// not 200, or of a part that refused the token.
	Whole *upstream.Response
	// Failed is why there is no response of the base.
	Failed  *upstream.Error
	Body    []byte // the composed object
	Missing []Missing
}

// Compose fetches the parts for the client of r and composes them: into the object of the
// base, beside its own members, or without a base into an object of their own.
func Compose(r *http.Request, base *Part, parts []Part) Result {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	answers := make([]answer, len(parts))
	var all sync.WaitGroup
	for i, p := range parts {
		all.Go(func() { answers[i] = fetch(ctx, r, p) })
	}
	var first answer
	if base != nil {
		if first = fetch(ctx, r, *base); first.body == nil {
			cancel() // the parts are not needed
		}
	}
	all.Wait()
	for _, a := range append(answers, first) {
		if a.panicked != nil {
			panic(a.panicked) // here, where it fails the request and not the program
		}
	}
	if base != nil && first.body == nil {
		return first.result()
	}
	return assemble(first.body, parts, answers)
}

// answer is what a service answered.
type answer struct {
	response *upstream.Response // nil if there is none
	failed   *upstream.Error    // why
	body     json.RawMessage    // the part; nil if it is missing
	panicked any
}

// result is the result of a request whose base has failed.
func (a answer) result() Result {
	if a.failed != nil {
		return Result{Failed: a.failed}
	}
	return Result{Whole: a.response}
}

func fetch(ctx context.Context, r *http.Request, p Part) (a answer) {
	defer func() { a.panicked = recover() }()
	if p.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.Timeout)
		defer cancel()
	}
	if a.response, a.failed = p.Upstream.Fetch(ctx, r, p.URL, maxPart); a.failed != nil || a.response.Status != http.StatusOK {
		return a
	}
	body, err := p.read(a.response)
	if err != nil {
		return answer{failed: upstream.Invalid(err)}
	}
	a.body = body
	return a
}

var (
	errNotJSON   = errors.New("the response is no JSON")
	errNotObject = errors.New("the response is no object")
)

// read returns the part in a response.
func (p Part) read(res *upstream.Response) (json.RawMessage, error) {
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") || !json.Valid(res.Body) {
		return nil, errNotJSON
	}
	if p.Select != nil {
		return p.Select(res.Body)
	}
	object := json.RawMessage(strings.TrimSpace(string(res.Body)))
	if object[0] != '{' {
		return nil, errNotObject
	}
	return object, nil
}

var codePattern = regexp.MustCompile(`^[a-z][a-z_]{0,63}$`)

// missing returns why a part is missing.
func (a answer) missing(part string) Missing {
	if a.failed != nil {
		return Missing{part, a.failed.Code, a.failed.Cause}
	}
	var problem struct{ Code string }
	if err := json.Unmarshal(a.response.Body, &problem); err != nil || !codePattern.MatchString(problem.Code) {
		problem.Code = "upstream_error"
	}
	return Missing{part, problem.Code, fmt.Errorf("status %d", a.response.Status)}
}

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/fault"
	"troupe/platform/telemetry"
)

const problemType = "application/problem+json"

// statuses is the only table from kinds of errors to HTTP statuses.
var statuses = [...]int{
	fault.Internal:           http.StatusInternalServerError,
	fault.Malformed:          http.StatusBadRequest,
	fault.Invalid:            http.StatusUnprocessableEntity,
	fault.Unauthenticated:    http.StatusUnauthorized,
	fault.Forbidden:          http.StatusForbidden,
	fault.NotFound:           http.StatusNotFound,
	fault.Conflict:           http.StatusConflict,
	fault.TooLarge:           http.StatusRequestEntityTooLarge,
	fault.Unsupported:        http.StatusUnsupportedMediaType,
	fault.TooManyRequests:    http.StatusTooManyRequests,
	fault.Unavailable:        http.StatusServiceUnavailable,
	fault.TooSlow:            http.StatusRequestTimeout,
	fault.PreconditionFailed: http.StatusPreconditionFailed,
}

// problem is a problem document (RFC 9457).
type problem struct {
	Type      string         `json:"type" doc:"urn:troupe:problem:<code>, or about:blank where there is no code"`
	Title     string         `json:"title" doc:"The status in words"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail" doc:"What is wrong with this request and what to do about it"`
	Instance  string         `json:"instance,omitempty" doc:"urn:troupe:request:<X-Request-Id>; name it when you ask for help"`
	Code      string         `json:"code,omitempty" doc:"Stable, for programs" example:"validation_failed"`
	Errors    []problemField `json:"errors,omitempty" doc:"The places that are wrong"`
	OAuth     string         `json:"error,omitempty" doc:"Only of POST /token: the error code of OAuth 2.0 (RFC 6749, section 5.2)" example:"invalid_grant"`
	OAuthText string         `json:"error_description,omitempty" doc:"Only of POST /token: the detail, in the characters that RFC 6749 allows"`

	retryAfter time.Duration
	cause      error
}

type problemField struct {
	Location string `json:"location" example:"body.items[0].quantity"`
	Message  string `json:"message"`
}

// newProblem returns a problem document; code may be empty.
func newProblem(ctx context.Context, status int, code, detail string) *problem {
	p := &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
	if code != "" {
		p.Type = "urn:troupe:problem:" + code
	}
	if id := telemetry.RequestID(ctx); id != "" {
		p.Instance = "urn:troupe:request:" + id
	}
	return p
}

// errClientClosed is the error of a request whose client has disconnected. The client
// does not receive it; it keeps the disconnect from being logged and counted as an
// internal error of the service.
var errClientClosed = fault.New(fault.Unavailable, "client_closed", "the client closed the connection before the response")

// problemOf returns the problem document of err, as the caller may see it.
func problemOf(ctx context.Context, err error) *problem {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errClientClosed.WithCause(err)
	}
	if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return deadlineProblem(ctx, err)
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind == fault.Internal || int(f.Kind) >= len(statuses) {
		p := newProblem(ctx, http.StatusInternalServerError, "internal", "internal error")
		p.cause = err
		return p
	}
	p := newProblem(ctx, statuses[f.Kind], f.Code, f.Message)
	p.cause = f.Cause
	if f.Kind == fault.TooManyRequests || f.Kind == fault.Unavailable {
		p.retryAfter = max(f.RetryAfter, time.Second)
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, problemField(field))
	}
	return p
}

// maxErrors is the largest number of places that one problem lists: a large body can
// have many thousands of mistakes.
const maxErrors = 20

// validationProblem returns the problem of an input that huma has refused. It does
// not repeat the input, which may contain a password.
func validationProblem(ctx context.Context, m *huma.ErrorModel) *problem {
	p := newProblem(ctx, m.Status, "validation_failed", m.Detail)
	for _, e := range m.Errors[:min(len(m.Errors), maxErrors)] {
		p.Errors = append(p.Errors, problemField{truncate(e.Location), truncate(e.Message)})
	}
	switch {
	case m.Status == http.StatusBadRequest && len(p.Errors) > 0:
		p.Detail = "the body cannot be read: " + p.Errors[0].Message
		p.setCode("malformed_body")
	case m.Status == http.StatusBadRequest:
		p.Detail = "this operation needs a body"
		p.setCode("malformed_body")
	case len(p.Errors) > 0:
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	if more := len(m.Errors) - 1; more > 0 {
		p.Detail += fmt.Sprintf(" (and %d more)", more)
	}
	return p
}

func (p *problem) setCode(code string) { p.Code, p.Type = code, "urn:troupe:problem:"+code }

// oauthCodes are the error codes of RFC 6749, section 5.2.
var oauthCodes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
}

// oauthError returns the OAuth 2.0 error code of a problem. A 403 keeps its own code: it
// is a condition that the client can satisfy. temporarily_unavailable is that of section
// 4.1.2.1.
func oauthError(p *problem) string {
	switch {
	case slices.Contains(oauthCodes, p.Code) || p.Status == http.StatusForbidden:
		return p.Code
	case p.Status == http.StatusTooManyRequests || p.Status >= http.StatusInternalServerError:
		return "temporarily_unavailable"
	}
	return "invalid_request"
}

// setOAuth adds what OAuth clients read in the place of a problem's code and detail.
func (p *problem) setOAuth() {
	p.OAuth = oauthError(p)
	p.OAuthText = strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, p.Detail)
}

// truncate shortens text that came from outside, before it is repeated in an answer,
// a log line or a span, and makes it valid UTF-8.
func truncate(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	return s
}

// Error returns the detail. It makes a problem an error, which huma then writes as it is.
func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return problemType }

// GetHeaders implements huma.HeadersError.
func (p *problem) GetHeaders() http.Header {
	h := http.Header{}
	p.setHeaders(h)
	return h
}

func (p *problem) setHeaders(h http.Header) {
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.retryAfter > 0 {
		seconds := (p.retryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
}

// WriteProblem answers with the problem document of err, for plain handlers.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	writeProblem(w, problemOf(r.Context(), err))
}

// WriteStatus answers with a problem document of a status that no kind of fault has,
// such as 502 and 504 of a gateway. Without a retryAfter (0) there is no Retry-After.
func WriteStatus(w http.ResponseWriter, r *http.Request, status int, code, detail string, retryAfter time.Duration) {
	p := newProblem(r.Context(), status, code, detail)
	p.retryAfter = retryAfter
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *problem) {
	recordCause(w, p)
	p.setHeaders(w.Header())
	Protect(w.Header())
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = encode(w, p) // the client may have disconnected
}

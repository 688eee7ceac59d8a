package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"troupe/platform/fault"
)

const (
	peerTimeout = 2 * time.Second // people wait
	peerAnswer  = 4 << 20         // bytes of an answer that are read
)

// byAdmin is part of a request that is answered with the help of other services. They are
// asked with the admin's own token, so the console has no rights of its own.
type byAdmin struct {
	Authorization string `header:"Authorization" hidden:"true"`
}

// peerRequest is a request to another service.
type peerRequest struct {
	service, method, path string
	authorization         string // "": anonymous
	form                  url.Values
	body                  any // sent as JSON, unless there is a form; nil: no body
	key                   string
}

// peerError is a response of a service that is an error.
type peerError struct {
	service      string
	status       int
	code, detail string
}

// Error returns what the service has answered.
func (e *peerError) Error() string {
	return fmt.Sprintf("%s answered %d: %s", e.service, e.status, e.detail)
}

// Unwrap returns the fault that the caller of the console sees: what the service has refused
// is refused here too.
func (e *peerError) Unwrap() error {
	if e.status >= http.StatusInternalServerError || e.code == "" || e.detail == "" {
		return fault.New(fault.Unavailable, "service_failed", "the %s service has failed; try again, or look into its log", e.service)
	}
	return fault.New(kindOfStatus(e.status), e.code, "%s", e.detail)
}

// kindOfStatus returns the kind of fault that a service has answered with a status.
func kindOfStatus(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusUnprocessableEntity:
		return fault.Invalid
	case http.StatusTooManyRequests:
		return fault.TooManyRequests
	}
	return fault.Malformed
}

// callPeer sends a request to another service and decodes its response into out.
func (c *console) callPeer(ctx context.Context, r peerRequest, out any) error {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	request, err := c.newPeerRequest(ctx, r)
	if err != nil {
		return err
	}
	response, err := c.Transport.RoundTrip(request)
	if err != nil {
		return fault.New(fault.Unavailable, "service_unavailable", "the %s service does not answer; try again when it runs", r.service).WithCause(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, peerAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", r.service, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal(answer, &problem) // without one there is the status alone
		return &peerError{r.service, response.StatusCode, problem.Code, problem.Detail}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (c *console) newPeerRequest(ctx context.Context, r peerRequest) (*http.Request, error) {
	base := c.Peers[r.service]
	if base == "" {
		return nil, fault.New(fault.Unavailable, "service_unavailable", "the address of the %s service is not known", r.service)
	}
	var body []byte
	contentType := ""
	switch {
	case r.form != nil:
		body, contentType = []byte(r.form.Encode()), "application/x-www-form-urlencoded"
	case r.body != nil:
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body, contentType = encoded, "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, r.method, base+r.path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"Content-Type": contentType, "Authorization": r.authorization, "Idempotency-Key": r.key} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	return request, nil
}

// getPeer is callPeer for a GET.
func (c *console) getPeer(ctx context.Context, service, path, authorization string, out any) error {
	return c.callPeer(ctx, peerRequest{service: service, method: http.MethodGet, path: path, authorization: authorization}, out)
}

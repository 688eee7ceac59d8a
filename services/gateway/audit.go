package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"troupe/app"
	"troupe/platform/fault"
	"troupe/platform/telemetry"
)

// auditLog is the audit log of the gateway, which the users service keeps: the gateway has
// no database. It is called directly and not through its circuit breaker, which an admin
// may be about to release.
type auditLog struct {
	transport http.RoundTripper
	url       string
}

// auditTimeout is how long an admin waits for an entry to be recorded.
const auditTimeout = 2 * time.Second

// caller is who wants something done, as the headers of the request name it.
type caller struct{ authorization, forwardedFor string }

var (
	errAuditAway = fault.New(fault.Unavailable, "audit_unavailable",
		"the users service, which keeps the audit log, does not answer; nothing was changed, so try again")
	errNotAdmin = fault.New(fault.Unauthenticated, "token_refused",
		"the users service does not accept this token any more; sign in again")
)

// record records an action before it is carried out, so that there is none without its
// entry. There may be an entry whose action was not carried out, if the answer is lost.
func (l auditLog) record(ctx context.Context, by caller, a app.AuditedAction) error {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Authorization": by.authorization, "X-Forwarded-For": by.forwardedFor,
		"X-Request-Id": telemetry.RequestID(ctx), "Traceparent": telemetry.Traceparent(ctx),
	} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	res, err := l.transport.RoundTrip(r)
	if err != nil {
		return errAuditAway.WithCause(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, bufferedAnswer)) // so that the connection is kept
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return errNotAdmin
	case res.StatusCode >= http.StatusMultipleChoices:
		return errAuditAway.WithCause(fmt.Errorf("POST %s: %s", l.url, res.Status))
	}
	return nil
}

const bufferedAnswer = 4 << 10 // bytes

package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"troupe/platform/auth"
)

// request is a request that its sender repeats, with the same key, until it is answered.
type request struct {
	service, method, path, body, key, what string
	by                                     *customer // nil: an admin
	order                                  string    // the order that it placed
}

// newKey returns a new Idempotency-Key.
func (r *run) newKey() string {
	r.keyCount++
	return fmt.Sprintf("key-%d", r.keyCount)
}

// token returns an access token that is valid for at least two more minutes.
func (r *run) token(c *customer) string {
	if c.token != "" && r.now.Before(c.expires.Add(-2*time.Minute)) {
		return c.token
	}
	role := auth.User
	if c.id == admin {
		role = auth.Admin
	}
	c.expires = r.now.Add(10 * time.Minute)
	token, err := r.signer.Sign(auth.Caller{UserID: c.id, Role: role, SessionID: "session-" + c.id, Expires: c.expires}, r.ids.next(r.now), r.now)
	if err != nil {
		r.report("no token for %s: %w", c.id, err)
	}
	c.token = token
	return token
}

// send sends a request. It gets no answer if the service is down or crashes; a
// process that survives must answer, and never with an error of its own.
func (r *run) send(req *request) (status int, answer []byte) {
	n, by := r.node(req.service), req.by
	if by == nil {
		by = r.customers[0]
	}
	who := by.id
	if !n.running() {
		r.record(who, "%s: %s is down", req.what, req.service)
		r.retryLater(req)
		return 0, nil
	}
	h := httptest.NewRequest(req.method, req.path, strings.NewReader(req.body))
	h.Header.Set("Authorization", "Bearer "+r.token(by))
	if req.body != "" {
		h.Header.Set("Content-Type", "application/json")
	}
	if req.key != "" {
		h.Header.Set("Idempotency-Key", req.key)
	}
	rec := httptest.NewRecorder()
	r.record(who, "%s", req.what)
	if !n.execute(func(ctx context.Context) { n.instance.Handler.ServeHTTP(rec, h.WithContext(ctx)) }) {
		r.retryLater(req)
		return 0, nil
	}
	status, answer = rec.Code, rec.Body.Bytes()
	r.record(req.service, "answers %d%s", status, problemCode(status, answer))
	if status >= 500 && n.process.failure != "" {
		r.retryLater(req)
		return status, answer
	}
	if status >= 500 || status == http.StatusUnauthorized {
		r.report("%s answered %d to %s %s by %s: %s", req.service, status, req.method, req.path, who, answer)
	}
	if status == http.StatusCreated && req.service == "orders" {
		r.checkPlaced(req, answer)
	}
	return status, answer
}

// republish has inventory publish all products again, which changes nothing.
func (r *run) republish() {
	r.send(&request{service: "inventory", method: http.MethodPost, path: "/republications", body: `{"projection":"products"}`, what: "has the products published again"})
}

// checkPlaced checks that a request places one order, however often it is sent.
func (r *run) checkPlaced(req *request, answer []byte) {
	var o struct{ ID string }
	if err := json.Unmarshal(answer, &o); err != nil {
		r.report("orders answered something that is not an order: %w", err)
	}
	if req.order != "" && req.order != o.ID {
		r.report("%s sent one request and got %s and %s", req.by.id, r.labels.of(req.order), r.labels.of(o.ID))
	}
	req.order = o.ID
}

// problemCode returns the code of a problem document after a space; "" if there is none.
func problemCode(status int, answer []byte) string {
	var problem struct{ Code string }
	if status < 400 || json.Unmarshal(answer, &problem) != nil {
		return ""
	}
	return " " + problem.Code
}

// retryLater keeps a request that got no answer.
func (r *run) retryLater(req *request) {
	if req.key != "" && !slices.Contains(r.unanswered, req) && len(r.unanswered) < 20 {
		r.unanswered = append(r.unanswered, req)
	}
}

// retry sends a request that got no answer again.
func (r *run) retry() {
	i := r.random.IntN(len(r.unanswered))
	req := r.unanswered[i]
	r.unanswered = slices.Delete(r.unanswered, i, i+1)
	r.send(req)
}

package upstream

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"troupe/patterns/breaker"
	"troupe/patterns/retry"
	"troupe/services/gateway/internal/balance"
)

// attemptWithRetries calls the service until it responds, or until another attempt would
// not help or is not allowed.
func (x *proxyRequest) attemptWithRetries() (*http.Response, *Error) {
	if err := x.enter(); err != nil {
		failed := circuitOpen(err)
		x.recordRefusal(failed)
		return nil, failed
	}
	for {
		res, failure := x.attempt()
		next := x.next(res, failure)
		x.leave(next)
		if !next.again || retry.Sleep(x.in.Context(), next.wait) != nil {
			return res, failure.toError()
		}
		if err := x.enter(); err != nil {
			x.recordRefusal(circuitOpen(err))
			return res, failure.toError() // more specific than "the circuit is open"
		}
		x.u.metrics.retries.Inc()
		abandon(res)
	}
}

// enter begins an attempt: the circuit must allow it, and a target is picked.
func (x *proxyRequest) enter() (err error) {
	if x.permit, err = x.u.breaker.Allow(); err != nil {
		return err
	}
	x.outcome = breaker.Ignored // stays if the transport panics
	x.releaseTarget()
	x.target = x.u.config.Balancer.Pick(x.tried[:x.tries])
	x.tried[x.tries] = x.target
	x.tries++
	return nil
}

// leave ends an attempt for the circuit breaker. If another target gets the request next,
// the failure is that of the target, which the balancer has counted, and not of the whole
// service.
func (x *proxyRequest) leave(n next) {
	if n.again && n.elsewhere {
		x.outcome = breaker.Ignored
	}
	x.u.breaker.Done(x.permit, x.outcome)
	x.permit = breaker.Permit{}
}

func (x *proxyRequest) releaseTarget() {
	if x.target != nil {
		x.u.config.Balancer.Done(x.target)
		x.target = nil
	}
}

// next is what follows an attempt.
type next struct {
	again     bool
	elsewhere bool // on a target that was not tried
	wait      time.Duration
}

// mostAttempts is the most attempts for one request, if targets refuse the connection. It
// is the length of the list of the tried ones.
const mostAttempts = 8

// next returns what follows an attempt. A request that the service shed is not sent to the
// same target again, which would only add to its load: the client gets the service's
// Retry-After.
func (x *proxyRequest) next(res *http.Response, f *failure) (n next) {
	if !x.mayRepeat(res, f) {
		return n
	}
	if f != nil && !f.maybeDone {
		n.elsewhere = x.u.config.Balancer.FindOther(x.in.Context(), x.tried[:x.tries])
	} else {
		n.elsewhere = x.u.config.Balancer.HasOther(x.tried[:x.tries])
	}
	if !n.elsewhere {
		if f == nil && isShed(res) {
			return n
		}
		n.wait = x.u.retry.Wait(x.tries)
	}
	switch {
	case x.tries >= mostAttempts || x.timeLeft() <= n.wait:
	case n.elsewhere && f != nil && !f.maybeDone: // costs nothing, so it needs no budget
		n.again = true
	default:
		n.again = x.u.retry.Again(x.tries)
	}
	return n
}

// mayRepeat reports whether the result of an attempt is one that another attempt may
// improve, and the request one that may be sent twice.
func (x *proxyRequest) mayRepeat(res *http.Response, f *failure) bool {
	switch {
	case x.body.isConsumed():
		return false
	case f != nil:
		return f.retryable && (!f.maybeDone || x.isRepeatable())
	}
	return isTemporary(res.StatusCode) && !x.isOverloaded(res) && x.isRepeatable()
}

func isTemporary(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// isRepeatable reports whether the request may be sent twice.
func (x *proxyRequest) isRepeatable() bool {
	switch x.in.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		return x.rules.Idempotent && x.in.Header.Get("Idempotency-Key") != ""
	}
	return false
}

// isOverloaded reports whether the response is a problem whose code says that the whole
// service is overloaded, such as "orders_overloaded": no other target would do better.
func (x *proxyRequest) isOverloaded(res *http.Response) bool {
	if res.StatusCode != http.StatusServiceUnavailable || res.Body != nil || res.ContentLength <= 0 {
		return false // it means something else, or was not read into the buffer
	}
	var problem struct{ Code string }
	err := json.Unmarshal(x.buffer[:res.ContentLength], &problem)
	return err == nil && strings.HasSuffix(problem.Code, "overloaded")
}

// report passes on to the balancer what an attempt, which has a response or a failure, shows
// about its target.
func (x *proxyRequest) report(res *http.Response, f *failure) {
	if f.lostConnection() || res != nil && res.Close {
		x.u.config.Balancer.Leaving()
	}
	switch x.outcome {
	case breaker.Success, breaker.Slow:
		x.u.config.Balancer.Succeeded(x.target)
	case breaker.Failure:
		x.u.config.Balancer.Failed(x.target)
	case breaker.Ignored: // the client's doing, or load
	}
}

// tried is the targets of the attempts so far.
type tried = [mostAttempts]*balance.Target

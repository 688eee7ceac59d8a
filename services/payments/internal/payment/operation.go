package payment

import (
	"time"

	"troupe/patterns/retry"
)

// Kind is what the provider is asked to do.
type Kind string

// The kinds of operations.
const (
	Authorize Kind = "auth"
	Capture   Kind = "capture"
	Void      Kind = "void"
	Refund    Kind = "refund"
)

func (k Kind) undoes() bool { return k == Void || k == Refund }

// Status is how far an operation has come.
type Status string

// The statuses. Unknown is stored before the provider is called, so that a process
// that finds it after a crash asks before it does anything.
const (
	Due       Status = "due"
	Unknown   Status = "unknown"
	Succeeded Status = "succeeded"
	Refused   Status = "refused"
	Dropped   Status = "dropped" // no longer wanted, and the provider was not called for it
)

// Operation is one thing that the provider is asked to do. All calls for it have
// the same idempotency key, however many there are.
type Operation struct {
	Kind     Kind      `json:"kind"`
	Key      string    `json:"key"`
	Status   Status    `json:"status"`
	Attempts int       `json:"attempts"`       // calls, including those that only asked
	Code     string    `json:"code,omitempty"` // why it was refused
	DueAt    time.Time `json:"due_at,omitzero"`
	Lease    string    `json:"lease,omitempty"` // the id of the lease under which it was claimed; empty if it was claimed alone
	Cause    Cause     `json:"cause,omitzero"`  // what made the order want it
}

// Cause is the event that led to an operation, for those who trace an order.
type Cause struct {
	EventID     string `json:"event_id"`
	Traceparent string `json:"traceparent,omitempty"`
}

func (o *Operation) open() bool { return o.Status == Due || o.Status == Unknown }

func (o *Operation) close(s Status) { o.Status, o.DueAt, o.Lease = s, time.Time{}, "" }

// Call is one call to the provider.
type Call struct {
	Operation
	Ask bool // only ask for the outcome of the operation, instead of executing it
}

// Claim returns the call for the open operation and leases the operation: no other
// replica claims it before the lease has expired. Claim must only be called if the
// operation is due.
func (p *Payment) Claim(now time.Time, lease time.Duration) Call {
	o := p.Open()
	ask := o.Status == Unknown
	o.Status, o.DueAt, o.Lease = Unknown, now.Add(lease), ""
	o.Attempts++
	return Call{Operation: *o, Ask: ask}
}

// ClaimUnder is like Claim for a lease that several operations share.
func (p *Payment) ClaimUnder(leaseID string, now time.Time, lease time.Duration) Call {
	c := p.Claim(now, lease)
	c.Lease, p.Open().Lease = leaseID, leaseID
	return c
}

// IsDue reports whether the provider is to be called now.
func (p *Payment) IsDue(now time.Time) bool {
	o := p.Open()
	return o != nil && !o.DueAt.After(now)
}

// HandBack ends the lease of a call that was not made and never will be, so that any
// replica can claim the operation at once. It does nothing if the lease had expired and the
// operation was claimed again.
func (p *Payment) HandBack(c Call, now time.Time) {
	o := p.Open()
	if o == nil || o.Key != c.Key || o.Attempts != c.Attempts {
		return
	}
	o.Attempts--
	o.DueAt, o.Lease = now, ""
	if !c.Ask {
		o.Status = Due
	}
}

// Outcome is the outcome of a call.
type Outcome int

// The outcomes of a call.
const (
	TimedOut Outcome = iota // no response: the operation was executed or not
	NotFound                // the provider was asked and does not know the operation
	Approved                // executed
	Rejected                // refused for good
)

// Response is the provider's response to a call.
type Response struct {
	Outcome Outcome
	Code    string // why it was rejected
}

// Codes of refusals that reveal where the money really is.
const (
	AlreadyCaptured = "already_captured"
	AlreadyRefunded = "already_refunded"
)

// backoff is the wait after a call without an outcome, or a refused void or refund.
// Replicas share the due operations, so they need no jitter.
var backoff = retry.Backoff{Base: time.Second, Cap: 5 * time.Minute}

// Answered records the response to a call. If the lease had expired and the
// operation was claimed again, the response is ignored: the later call asks and
// receives the same.
func (p *Payment) Answered(c Call, r Response, now time.Time) {
	o := p.Open()
	if o == nil || o.Key != c.Key || o.Attempts != c.Attempts {
		return
	}
	o.Lease = ""
	switch {
	case r.Outcome == TimedOut:
		o.DueAt = now.Add(backoff.Wait(o.Attempts, 0))
		return
	case r.Outcome == NotFound:
		o.Status, o.DueAt = Due, now
	case r.Outcome == Approved:
		o.close(Succeeded)
		p.State = approved[o.Kind]
	case !o.Kind.undoes():
		o.close(Refused)
		o.Code, p.Code = r.Code, r.Code
		p.State = refused[o.Kind]
	default:
		p.undoRefused(o, r.Code, now)
	}
	p.proceed(now)
	p.setCause(c.Cause)
}

// undoRefused handles a void or refund that the provider refuses. If the code
// reveals that the money is elsewhere, the undoing continues from there. No other
// refusal should occur, and an undo is never given up, so it is tried again.
func (p *Payment) undoRefused(o *Operation, code string, now time.Time) {
	o.Code = code
	switch code {
	case AlreadyCaptured:
		o.close(Refused)
		p.State = Captured
	case AlreadyRefunded:
		o.close(Refused)
		p.State = Refunded
	default:
		o.Status, o.DueAt = Due, now.Add(backoff.Wait(o.Attempts, 0))
	}
}

// The states after an operation was approved and after it was refused.
var (
	approved = map[Kind]State{Authorize: Authorized, Capture: Captured, Void: Voided, Refund: Refunded}
	refused  = map[Kind]State{Authorize: Declined, Capture: CaptureFailed}
)

package payment

import "time"

// Kind is what is asked of the provider.
type Kind string

// The kinds.
const (
	Authorization Kind = "auth"
	CaptureMoney  Kind = "capture"
	Void          Kind = "void"
	Refund        Kind = "refund"
)

func (k Kind) undoes() bool { return k == Void || k == Refund }

// Status is how far an operation has come.
type Status string

// The statuses. Unknown is set before the provider is called, so that whoever
// finds it after a crash asks before doing anything.
const (
	Due       Status = "due"
	Unknown   Status = "unknown"
	Succeeded Status = "succeeded"
	Refused   Status = "refused"
	Dropped   Status = "dropped" // not wanted any more while it was due
)

// Operation is one thing asked of the provider, under one idempotency key
// however often it is asked.
type Operation struct {
	Kind     Kind      `json:"kind"`
	Key      string    `json:"key"`
	Status   Status    `json:"status"`
	Attempts int       `json:"attempts"`       // calls, those that only asked included
	Code     string    `json:"code,omitempty"` // why it was refused
	DueAt    time.Time `json:"due_at,omitzero"`
	Cause    Cause     `json:"cause,omitzero"` // what made the order want it
}

// Cause is the event that an operation goes back to, for those who trace an order.
type Cause struct {
	EventID     string `json:"event_id"`
	Traceparent string `json:"traceparent,omitempty"`
}

func (o *Operation) open() bool { return o.Status == Due || o.Status == Unknown }

func (o *Operation) close(s Status) { o.Status, o.DueAt = s, time.Time{} }

// Call is one call to be made: the operation, and whether to do it or only to
// ask what became of it.
type Call struct {
	Operation
	Ask bool
}

// Claim takes the open operation to be called now. Nobody else takes it before
// lease has passed. It is only called if the operation is due.
func (p *Payment) Claim(now time.Time, lease time.Duration) Call {
	o := p.Open()
	ask := o.Status == Unknown
	o.Status, o.DueAt = Unknown, now.Add(lease)
	o.Attempts++
	return Call{Operation: *o, Ask: ask}
}

// Outcome is what came of a call.
type Outcome int

// The outcomes.
const (
	TimedOut Outcome = iota // no answer: it may or may not be done
	Absent                  // the provider was asked and knows nothing of it
	Done
	Denied // refused for good
)

// Answer is the provider's answer to a call.
type Answer struct {
	Outcome Outcome
	Code    string // why it was denied
}

// Codes of denials that tell where the money really is.
const (
	AlreadyCaptured = "already_captured"
	AlreadyRefunded = "already_refunded"
)

// Answered takes in the answer to a call. One that comes after somebody else has
// taken the operation over is ignored: they ask, and learn the same.
func (p *Payment) Answered(c Call, a Answer, now time.Time) {
	o := p.Open()
	if o == nil || o.Key != c.Key || o.Attempts != c.Attempts {
		return
	}
	switch {
	case a.Outcome == TimedOut:
		o.DueAt = now.Add(patience(o.Attempts))
		return
	case a.Outcome == Absent:
		o.Status, o.DueAt = Due, now
	case a.Outcome == Done:
		o.close(Succeeded)
		p.State = reached[o.Kind]
	case !o.Kind.undoes():
		o.close(Refused)
		o.Code, p.Code = a.Code, a.Code
		p.State = refused[o.Kind]
	default:
		p.undoDenied(o, a.Code, now)
	}
	p.proceed(now)
}

// undoDenied handles a void or refund that the provider denies. Where it says
// that the money is elsewhere, the undoing goes on from there. Anything else
// should not happen; giving up is no option, so it is tried again.
func (p *Payment) undoDenied(o *Operation, code string, now time.Time) {
	o.Code = code
	switch code {
	case AlreadyCaptured:
		o.close(Refused)
		p.State = Captured
	case AlreadyRefunded:
		o.close(Refused)
		p.State = Refunded
	default:
		o.Status, o.DueAt = Due, now.Add(patience(o.Attempts))
	}
}

var (
	reached = map[Kind]State{Authorization: Authorized, CaptureMoney: Captured, Void: Voided, Refund: Refunded}
	refused = map[Kind]State{Authorization: Declined, CaptureMoney: CaptureFailed}
)

// patience is how long to wait after so many calls: 1 s, 2 s, 4 s, at most 5 min.
func patience(attempts int) time.Duration {
	const longest = 5 * time.Minute
	if attempts > 9 {
		return longest
	}
	return min(time.Second<<max(0, attempts-1), longest)
}

package provider

// entry is one entry of the ledger. The sums of held and paid over the entries of a
// charge are its balance: the money is held, or paid, or neither.
type entry struct {
	charge   string
	step     int
	key      string
	kind     Kind
	rejected string // why; empty if it was approved
	method   string
	currency string
	held     int64
	paid     int64
}

// charge holds the entries of one charge, oldest first.
type charge []entry

// behavior is what happens to charges with a payment method. The names of the
// methods follow Stripe's test methods; those with "fake" are our own, for failures
// of the network.
type behavior struct {
	declined     string // the code with which authorizations are declined
	captureFails string // the code with which captures are rejected
	timesOut     bool   // the money is authorized, but the response is lost
	drops        int64  // how many calls are lost before one arrives
	slow         bool
}

var methods = map[string]behavior{
	"pm_card_visa":                 {},
	"pm_card_chargeDeclined":       {declined: "card_declined"},
	"pm_card_insufficientFunds":    {declined: "insufficient_funds"},
	"pm_fake_timeout_then_charged": {timesOut: true},
	"pm_fake_timeout":              {drops: 2},
	"pm_fake_slow":                 {slow: true},
	"pm_fake_capture_fails":        {captureFails: "authorization_lapsed"},
}

func behaviorOf(method string) behavior {
	if b, known := methods[method]; known {
		return b
	}
	return behavior{declined: "invalid_payment_method"}
}

// handle returns the response to r and the entry to add to the ledger, nil if there
// is none. A key that is in the ledger gets the response that it got then. A void
// or refund that is rejected is not added, because it may be approved later.
func (c charge) handle(r Request) (Response, *entry) {
	for _, e := range c {
		if e.key == r.Key {
			return responseOf(e), nil
		}
	}
	if r.Ask {
		return Response{Outcome: NotFound}, nil
	}
	e := entry{charge: r.Charge, step: len(c) + 1, key: r.Key, kind: r.Kind, method: r.Method, currency: r.Amount.Currency}
	switch r.Kind {
	case Authorize:
		c.authorize(&e, r.Amount.Amount)
	case Capture:
		c.capture(&e)
	case Void:
		c.void(&e)
	case Refund:
		c.refund(&e)
	default:
		e.rejected = "unknown_operation"
	}
	if e.rejected != "" && (r.Kind == Void || r.Kind == Refund) {
		return responseOf(e), nil
	}
	return responseOf(e), &e
}

func responseOf(e entry) Response {
	if e.rejected != "" {
		return Response{Outcome: Rejected, Code: e.rejected}
	}
	return Response{Outcome: Approved}
}

func (c charge) authorize(e *entry, amount int64) {
	switch {
	case c.has(Void):
		e.rejected = "canceled" // a void overtook it: it must no longer take effect
	case len(c) > 0:
		e.rejected = "duplicate_charge"
	default:
		e.rejected = behaviorOf(e.method).declined
	}
	if e.rejected == "" {
		e.held = amount
	}
}

func (c charge) capture(e *entry) {
	switch {
	case c.has(Capture):
		e.rejected = "already_captured"
	case c.has(Void) || !c.has(Authorize):
		e.rejected = "not_authorized"
	default:
		e.rejected = behaviorOf(c[0].method).captureFails
	}
	if e.rejected == "" {
		held, _ := c.balance()
		e.held, e.paid = -held, held
	}
}

// void also approves the void of a charge without entries: it prevents that a
// delayed authorization takes effect when it arrives.
func (c charge) void(e *entry) {
	switch {
	case c.has(Refund):
		e.rejected = "already_refunded"
	case c.has(Capture):
		e.rejected = "already_captured"
	default:
		held, _ := c.balance()
		e.held = -held
	}
}

func (c charge) refund(e *entry) {
	if !c.has(Capture) {
		e.rejected = "not_captured"
		return
	}
	_, paid := c.balance()
	e.paid = -paid
}

func (c charge) has(k Kind) bool {
	for _, e := range c {
		if e.kind == k && e.rejected == "" {
			return true
		}
	}
	return false
}

func (c charge) balance() (held, paid int64) {
	for _, e := range c {
		held += e.held
		paid += e.paid
	}
	return held, paid
}

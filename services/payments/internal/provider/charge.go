package provider

// entry is one line of the ledger. What held and paid sum up to, over the
// entries of a charge, is where its money is: nowhere, set aside, or paid.
type entry struct {
	charge   string
	step     int
	key      string
	kind     Kind
	denied   string
	method   string
	currency string
	held     int64
	paid     int64
}

// charge is the entries about one payment, oldest first.
type charge []entry

// behaviour is how a payment method fares. The names are after Stripe's test
// methods; those with fake are our own, for what goes wrong on the way.
type behaviour struct {
	declined     string // code
	captureFails string // code
	timesOut     bool   // is authorised, but the answer gets lost
	drops        int64  // so many calls get lost before one comes through
	slow         bool
}

var methods = map[string]behaviour{
	"pm_card_visa":                 {},
	"pm_card_chargeDeclined":       {declined: "card_declined"},
	"pm_card_insufficientFunds":    {declined: "insufficient_funds"},
	"pm_fake_timeout_then_charged": {timesOut: true},
	"pm_fake_timeout":              {drops: 2},
	"pm_fake_slow":                 {slow: true},
	"pm_fake_capture_fails":        {captureFails: "authorization_lapsed"},
}

func behaviourOf(method string) behaviour {
	if b, known := methods[method]; known {
		return b
	}
	return behaviour{declined: "invalid_payment_method"}
}

// handle decides about r; the entry, if any, is to be added to the ledger. A key
// that was seen before gets the answer it got then. An undo that is denied is
// not entered, for it may be granted later.
func (c charge) handle(r Request) (Answer, *entry) {
	for _, e := range c {
		if e.key == r.Key {
			return answerOf(e), nil
		}
	}
	if r.Ask {
		return Answer{Outcome: Absent}, nil
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
		e.denied = "unknown_operation"
	}
	if e.denied != "" && (r.Kind == Void || r.Kind == Refund) {
		return answerOf(e), nil
	}
	return answerOf(e), &e
}

func answerOf(e entry) Answer {
	if e.denied != "" {
		return Answer{Outcome: Denied, Code: e.denied}
	}
	return Answer{Outcome: Done}
}

func (c charge) authorize(e *entry, amount int64) {
	switch {
	case c.has(Void):
		e.denied = "canceled" // before it came: it must not take effect any more
	case len(c) > 0:
		e.denied = "duplicate_charge"
	default:
		e.denied = behaviourOf(e.method).declined
	}
	if e.denied == "" {
		e.held = amount
	}
}

func (c charge) capture(e *entry) {
	switch {
	case c.has(Capture):
		e.denied = "already_captured"
	case c.has(Void) || !c.has(Authorize):
		e.denied = "not_authorized"
	default:
		e.denied = behaviourOf(c[0].method).captureFails
	}
	if e.denied == "" {
		held, _ := c.balance()
		e.held, e.paid = -held, held
	}
}

// void also takes a charge that was never heard of: it keeps a lost call to
// authorise from taking effect when it comes at last.
func (c charge) void(e *entry) {
	switch {
	case c.has(Refund):
		e.denied = "already_refunded"
	case c.has(Capture):
		e.denied = "already_captured"
	default:
		held, _ := c.balance()
		e.held = -held
	}
}

func (c charge) refund(e *entry) {
	if !c.has(Capture) {
		e.denied = "not_captured"
		return
	}
	_, paid := c.balance()
	e.paid = -paid
}

func (c charge) has(k Kind) bool {
	for _, e := range c {
		if e.kind == k && e.denied == "" {
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

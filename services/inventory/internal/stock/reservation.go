package stock

import "time"

// State is how far an order's reservation has come.
type State string

// The states of a reservation. None is the state of an order that no event has
// mentioned yet.
const (
	None      State = ""
	Promised  State = "promised"  // the order was confirmed before it was created: to be committed at once
	Held      State = "held"      // all lines are set aside
	Rejected  State = "rejected"  // a product was short; nothing is set aside
	Committed State = "committed" // all lines have left the warehouse for good
	Expired   State = "expired"   // was held, but the order was not decided in time
	Released  State = "released"  // the order is cancelled; final
)

// Reservation is the stock that is set aside for one order.
type Reservation struct {
	OrderID   string
	State     State
	Lines     []Line    // what the order wants, as Merge returns it
	ExpiresAt time.Time // when a hold ends if the order is not decided
	Version   int64     // 0 if never stored
}

// Kind is what a Command asks for.
type Kind string

// The kinds of commands.
const (
	Reserve Kind = "reserve" // the order was created: set its lines aside
	Commit  Kind = "commit"  // the order was confirmed: its lines leave for good
	Release Kind = "release" // the order was cancelled: everything goes back
	Expire  Kind = "expire"  // time has passed: an expired hold goes back
)

// Command is what an event about an order, or the clock, asks of the order's
// reservation.
type Command struct {
	Kind      Kind
	Lines     []Line    // for Reserve: what the order wants, as Merge returns it
	ExpiresAt time.Time // for Reserve: when the hold expires
	Passed    time.Time // for Expire: the time up to which holds have expired
}

// Outcome is what a command has changed, for others to know: nothing if State is
// None. Lines are the lines that moved; Short is set if State is Rejected.
type Outcome struct {
	State State
	Lines []Line
	Short []Shortage
}

// Apply changes r and levels as c asks and returns the outcome. The commands of an
// order may be applied in any order and any number of times: the reservation
// always ends the same.
func (r *Reservation) Apply(c Command, levels *Levels) Outcome {
	switch c.Kind {
	case Reserve:
		return r.reserve(c, levels)
	case Commit:
		return r.commit(levels)
	case Release:
		return r.release(levels)
	case Expire:
		return r.expire(c.Passed, levels)
	}
	panic("stock: unknown kind of command " + string(c.Kind))
}

// reserve sets the lines of a new order aside. If the order was cancelled before
// it was created, the released reservation is a tombstone, and nothing is held.
func (r *Reservation) reserve(c Command, levels *Levels) Outcome {
	switch r.State {
	case None:
		r.Lines, r.ExpiresAt = c.Lines, c.ExpiresAt
		return r.hold(levels)
	case Promised:
		r.Lines, r.ExpiresAt = c.Lines, c.ExpiresAt
		return r.holdAndCommit(levels)
	default:
		return Outcome{}
	}
}

// commit lets the lines of a confirmed order leave. If its hold has expired, it
// holds the lines again; if they are no longer available, the outcome is Rejected.
func (r *Reservation) commit(levels *Levels) Outcome {
	switch r.State {
	case None:
		r.State = Promised
		return Outcome{}
	case Held:
		return r.commitHeld(levels)
	case Expired:
		return r.holdAndCommit(levels)
	default:
		return Outcome{}
	}
}

// release returns everything that was held or committed for a cancelled order.
func (r *Reservation) release(levels *Levels) Outcome {
	var returned []Line
	switch r.State {
	case Released:
		return Outcome{}
	case Held:
		levels.release(r.Lines)
		returned = r.Lines
	case Committed:
		levels.restock(r.Lines)
		returned = r.Lines
	default: // nothing was held, or it was returned before
	}
	r.State = Released
	return Outcome{State: Released, Lines: returned}
}

// expire returns the lines of a hold whose order was not decided in time.
// Committed lines never expire.
func (r *Reservation) expire(passed time.Time, levels *Levels) Outcome {
	if r.State != Held || passed.Before(r.ExpiresAt) {
		return Outcome{}
	}
	levels.release(r.Lines)
	r.State = Expired
	return Outcome{State: Expired, Lines: r.Lines}
}

func (r *Reservation) hold(levels *Levels) Outcome {
	if short := levels.hold(r.Lines); short != nil {
		r.State = Rejected
		return Outcome{State: Rejected, Short: short}
	}
	r.State = Held
	return Outcome{State: Held, Lines: r.Lines}
}

func (r *Reservation) commitHeld(levels *Levels) Outcome {
	levels.commit(r.Lines)
	r.State = Committed
	return Outcome{State: Committed, Lines: r.Lines}
}

func (r *Reservation) holdAndCommit(levels *Levels) Outcome {
	if out := r.hold(levels); out.State != Held {
		return out
	}
	return r.commitHeld(levels)
}

package stock

import "time"

// State is how far an order's reservation has come.
type State string

// The states. None is an order never heard of.
const (
	None      State = ""
	Promised  State = "promised"  // confirmed before it was ever created: to be committed at once
	Held      State = "held"      // everything is set aside
	Rejected  State = "rejected"  // something was short, nothing is set aside
	Committed State = "committed" // everything has left for good
	Expired   State = "expired"   // was held, and nobody decided in time
	Released  State = "released"  // the order is off; final
)

// Reservation is what is set aside for one order. Its methods take in what
// happened to the order, in whatever order and however often they hear of it.
type Reservation struct {
	OrderID   string
	State     State
	Lines     []Line    // what the order wants, as Merge gives it
	ExpiresAt time.Time // of a hold that nobody decides about
	Version   int64     // 0 if never stored
}

// Outcome is what there is to tell others: nothing if State is None. Lines are
// the products that moved on the shelf, Short is set if State is Rejected.
type Outcome struct {
	State State
	Lines []Line
	Short []Shortage
}

// Created takes in that the order wants lines. A cancel that came first has
// left a tombstone: nothing is held then.
func (r *Reservation) Created(lines []Line, shelf *Shelf, expires time.Time) Outcome {
	switch r.State {
	case None:
		r.Lines, r.ExpiresAt = lines, expires
		return r.hold(shelf)
	case Promised:
		r.Lines, r.ExpiresAt = lines, expires
		return r.holdAndCommit(shelf)
	default:
		return Outcome{}
	}
}

// Confirmed takes in that the order is certain. A hold that had expired is
// taken anew if it can be; if not, the order is told that it is rejected.
func (r *Reservation) Confirmed(shelf *Shelf) Outcome {
	switch r.State {
	case None:
		r.State = Promised
		return Outcome{}
	case Held:
		return r.commit(shelf)
	case Expired:
		return r.holdAndCommit(shelf)
	default:
		return Outcome{}
	}
}

// Cancelled takes in that the order is off, and puts back whatever was taken.
func (r *Reservation) Cancelled(shelf *Shelf) Outcome {
	var back []Line
	switch r.State {
	case Released:
		return Outcome{}
	case Held:
		shelf.release(r.Lines)
		back = r.Lines
	case Committed:
		shelf.restock(r.Lines)
		back = r.Lines
	default: // nothing was taken, or it went back before
	}
	r.State = Released
	return Outcome{State: Released, Lines: back}
}

// Expire puts back a hold that nobody has decided about for too long. What is
// committed never expires.
func (r *Reservation) Expire(shelf *Shelf, now time.Time) Outcome {
	if r.State != Held || now.Before(r.ExpiresAt) {
		return Outcome{}
	}
	shelf.release(r.Lines)
	r.State = Expired
	return Outcome{State: Expired, Lines: r.Lines}
}

func (r *Reservation) hold(shelf *Shelf) Outcome {
	if short := shelf.hold(r.Lines); short != nil {
		r.State = Rejected
		return Outcome{State: Rejected, Short: short}
	}
	r.State = Held
	return Outcome{State: Held, Lines: r.Lines}
}

func (r *Reservation) commit(shelf *Shelf) Outcome {
	shelf.commit(r.Lines)
	r.State = Committed
	return Outcome{State: Committed, Lines: r.Lines}
}

func (r *Reservation) holdAndCommit(shelf *Shelf) Outcome {
	if out := r.hold(shelf); out.State != Held {
		return out
	}
	return r.commit(shelf)
}

package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// reservation is what is set aside for an order.
type reservation struct {
	state string
	lines []line
}

type line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// shelf is what the stock rows say, beside what the reservations add up to.
type shelf struct {
	levels          map[string]level
	held, committed map[string]int64
}

type level struct{ stocked, available, held, committed int64 }

func newShelf() shelf {
	return shelf{levels: map[string]level{}, held: map[string]int64{}, committed: map[string]int64{}}
}

func (s *shelf) say(c change) {
	var l level
	if _, err := fmt.Sscan(c.after, &l.stocked, &l.available, &l.held, &l.committed); err == nil {
		s.levels[c.id] = l
	}
}

// check demands that every product adds up, and to what the reservations say.
func (s *shelf) check() (complaints []error) {
	for _, sku := range slices.Sorted(maps.Keys(s.levels)) {
		l := s.levels[sku]
		if l.available < 0 || l.available+l.held+l.committed != l.stocked {
			complaints = append(complaints, fmt.Errorf("the stock of %s does not add up: %+v", sku, l))
		}
		if l.held != s.held[sku] || l.committed != s.committed[sku] {
			complaints = append(complaints, fmt.Errorf("the stock of %s is %+v, but reservations hold %d and committed %d",
				sku, l, s.held[sku], s.committed[sku]))
		}
	}
	return complaints
}

// onwards is where a reservation may go from each state. Several moves in one
// transaction show as one.
var onwards = map[string][]string{
	"":          {"promised", "held", "rejected", "committed", "released"},
	"promised":  {"rejected", "committed", "released"},
	"held":      {"committed", "expired", "released"},
	"rejected":  {"released"},
	"committed": {"released"},
	"expired":   {"committed", "rejected", "released"},
}

func (w *witness) reserves(c change) {
	r := w.reservations[c.id]
	if r == nil {
		r = &reservation{}
		w.reservations[c.id] = r
	}
	if c.before != c.after && !slices.Contains(onwards[c.before], c.after) || c.before != r.state {
		w.complain("the reservation of %s was %q and went from %q to %q", w.names.of(c.id), r.state, c.before, c.after)
	}
	w.moves[fmt.Sprintf("%s>%s", c.before, c.after)]++
	w.shelf.count(r, -1)
	r.state, r.lines = c.after, nil
	if err := json.Unmarshal([]byte(c.more), &r.lines); err != nil {
		w.complain("the reservation of %s is unreadable: %w", w.names.of(c.id), err)
	}
	w.shelf.count(r, 1)
}

func (s *shelf) count(r *reservation, sign int64) {
	for _, l := range r.lines {
		switch r.state {
		case "held":
			s.held[l.SKU] += sign * l.Quantity
		case "committed":
			s.committed[l.SKU] += sign * l.Quantity
		}
	}
}

// checkTombstone demands that nothing is set aside for an order of whose end
// inventory has heard.
func (w *witness) checkTombstone(order string) {
	if w.ended[order] && w.reservations[order].state != "released" {
		w.complain("the stock of %s is %s although inventory has heard of its end", w.names.of(order), w.reservations[order].state)
	}
}

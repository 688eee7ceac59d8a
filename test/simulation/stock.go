package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// reservation is the stock that is reserved for an order.
type reservation struct {
	state string
	lines []line
}

type line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// stockLevels holds the stock rows, and the sums of the reservations.
type stockLevels struct {
	bySKU           map[string]stockLevel
	held, committed map[string]int64
}

type stockLevel struct{ stocked, available, held, committed int64 }

func newStockLevels() stockLevels {
	return stockLevels{bySKU: map[string]stockLevel{}, held: map[string]int64{}, committed: map[string]int64{}}
}

// set records a stock row.
func (s *stockLevels) set(row change) {
	var l stockLevel
	if _, err := fmt.Sscan(row.after, &l.stocked, &l.available, &l.held, &l.committed); err == nil {
		s.bySKU[row.id] = l
	}
}

// violations returns the products whose stock does not add up, or not to the reservations.
func (s *stockLevels) violations() (violations []error) {
	for _, sku := range slices.Sorted(maps.Keys(s.bySKU)) {
		l := s.bySKU[sku]
		if l.available < 0 || l.available+l.held+l.committed != l.stocked {
			violations = append(violations, fmt.Errorf("the stock of %s does not add up: %+v", sku, l))
		}
		if l.held != s.held[sku] || l.committed != s.committed[sku] {
			violations = append(violations, fmt.Errorf("the stock of %s is %+v, but reservations hold %d and committed %d",
				sku, l, s.held[sku], s.committed[sku]))
		}
	}
	return violations
}

// reservationTransitions are the states that may follow each state of a reservation.
// Several transitions in one transaction appear as one.
var reservationTransitions = map[string][]string{
	"":          {"promised", "held", "rejected", "committed", "released"},
	"promised":  {"rejected", "committed", "released"},
	"held":      {"committed", "expired", "released"},
	"rejected":  {"released"},
	"committed": {"released"},
	"expired":   {"committed", "rejected", "released"},
}

// reservationChanged is called when a reservation was created or changed.
func (c *checker) reservationChanged(row change) {
	r := c.reservations[row.id]
	if r == nil {
		r = &reservation{}
		c.reservations[row.id] = r
	}
	if row.before != row.after && !slices.Contains(reservationTransitions[row.before], row.after) || row.before != r.state {
		c.report("the reservation of %s was %q and went from %q to %q", c.labels.of(row.id), r.state, row.before, row.after)
	}
	c.transitions[fmt.Sprintf("%s>%s", row.before, row.after)]++
	c.stock.count(r, -1)
	r.state, r.lines = row.after, nil
	if err := json.Unmarshal([]byte(row.more), &r.lines); err != nil {
		c.report("the reservation of %s cannot be read: %w", c.labels.of(row.id), err)
	}
	c.stock.count(r, 1)
}

// count adds a reservation to the sums, or removes it with sign -1.
func (s *stockLevels) count(r *reservation, sign int64) {
	for _, l := range r.lines {
		switch r.state {
		case "held":
			s.held[l.SKU] += sign * l.Quantity
		case "committed":
			s.committed[l.SKU] += sign * l.Quantity
		}
	}
}

// checkTombstone checks that nothing is reserved for an order whose cancellation
// inventory has handled.
func (c *checker) checkTombstone(order string) {
	if c.cancelled[order] && c.reservations[order].state != "released" {
		c.report("the stock of %s is %s although inventory has handled its cancellation", c.labels.of(order), c.reservations[order].state)
	}
}

// Package stock is the rules of the shelf: how many of each product there are,
// what an order sets aside, and what happens to it in the end. It is pure; what
// it decides is stored and told elsewhere.
//
//	available --hold--> held --commit--> committed
//	    ^                 |                  |
//	    +----- release ---+----- restock ----+
//
// Only Adjust changes how many there are in all, so at any time, for every
// product, available + held + committed = stocked.
package stock

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"troupe/platform/fault"
)

// Most is the largest number of one product that there may ever be in stock:
// far below what overflows, far above any warehouse.
const Most = 1_000_000_000_000

// Line is a quantity of one product.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Merge sorts lines by product and adds up those of the same one. It fails for
// a quantity that is no positive number.
func Merge(lines []Line) ([]Line, error) {
	sorted := slices.SortedStableFunc(slices.Values(lines), func(a, b Line) int { return strings.Compare(a.SKU, b.SKU) })
	merged := sorted[:0]
	for _, l := range sorted {
		if l.Quantity < 1 {
			return nil, fmt.Errorf("quantity %d of product %q is not positive", l.Quantity, l.SKU)
		}
		if n := len(merged); n > 0 && merged[n-1].SKU == l.SKU {
			// An absurd sum is merely short; it must not wrap around.
			merged[n-1].Quantity += min(l.Quantity, math.MaxInt64-merged[n-1].Quantity)
			continue
		}
		merged = append(merged, l)
	}
	return merged, nil
}

// Shortage is what an order wanted of a product and what there was.
type Shortage struct {
	SKU       string
	Wanted    int64
	Available int64
}

// Level is how many of a product there are, and where.
type Level struct {
	SKU       string
	Stocked   int64 // ever brought in, less what was written off
	Available int64 // can be ordered
	Held      int64 // set aside for orders that are not yet certain
	Committed int64 // left for good
	Version   int64
}

// Adjust brings in (or, below zero, writes off) delta pieces. Fails with
// fault.Conflict if fewer are available, and with fault.Invalid above Most.
func (l *Level) Adjust(delta int64) error {
	if delta < -l.Available {
		return fault.New(fault.Conflict, "stock_insufficient",
			"only %d of %s are available; what is held or committed for orders cannot be taken away", l.Available, l.SKU)
	}
	if delta > Most-l.Stocked {
		return fault.New(fault.Invalid, "stock_too_large",
			"that would make more than %d of %s; use a smaller delta", int64(Most), l.SKU)
	}
	l.Stocked += delta
	l.Available += delta
	return nil
}

// Shelf is the levels of some products while they are being changed.
type Shelf struct {
	levels map[string]*Level
	found  map[string]Level
}

// NewShelf takes the levels as they were found.
func NewShelf(levels ...Level) *Shelf {
	s := &Shelf{levels: make(map[string]*Level, len(levels)), found: make(map[string]Level, len(levels))}
	for _, l := range levels {
		s.levels[l.SKU], s.found[l.SKU] = &l, l
	}
	return s
}

// Level gives a product's present level; false if there is no such product.
func (s *Shelf) Level(sku string) (Level, bool) {
	l, ok := s.levels[sku]
	if !ok {
		return Level{}, false
	}
	return *l, true
}

// Change is what became of one product.
type Change struct {
	Level           // with its new version
	AvailableBefore int64
}

// Changes are the levels that are no longer as they were found, by SKU.
func (s *Shelf) Changes() []Change {
	var changes []Change
	for sku, l := range s.levels {
		if was := s.found[sku]; *l != was {
			changed := *l
			changed.Version++
			changes = append(changes, Change{Level: changed, AvailableBefore: was.Available})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.SKU, b.SKU) })
	return changes
}

// hold sets all of lines (as Merge gives them) aside, or nothing and says what is short.
func (s *Shelf) hold(lines []Line) []Shortage {
	var short []Shortage
	for _, line := range lines {
		if l, _ := s.Level(line.SKU); l.Available < line.Quantity {
			short = append(short, Shortage{SKU: line.SKU, Wanted: line.Quantity, Available: l.Available})
		}
	}
	if short == nil {
		s.move(lines, func(l *Level, n int64) { l.Available -= n; l.Held += n })
	}
	return short
}

func (s *Shelf) commit(lines []Line) {
	s.move(lines, func(l *Level, n int64) { l.Held -= n; l.Committed += n })
}

func (s *Shelf) release(lines []Line) {
	s.move(lines, func(l *Level, n int64) { l.Held -= n; l.Available += n })
}

func (s *Shelf) restock(lines []Line) {
	s.move(lines, func(l *Level, n int64) { l.Committed -= n; l.Available += n })
}

func (s *Shelf) move(lines []Line, by func(l *Level, n int64)) {
	for _, line := range lines {
		by(s.levels[line.SKU], line.Quantity)
	}
}

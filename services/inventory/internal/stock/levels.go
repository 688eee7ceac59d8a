// Package stock holds the rules of stock: how many pieces of each product there
// are, how many an order sets aside, and what happens to them in the end. The
// package is pure: other packages store its results and publish them.
//
//	available --hold--> held --commit--> committed
//	    ^                 |                  |
//	    +----- release ---+----- restock ----+
//
// Only Adjust changes the total, so that at any time and for every product
// available + held + committed = stocked.
package stock

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"troupe/platform/fault"
)

// MaxStock is the largest number of pieces of one product that may ever be in
// stock: far below what overflows, far above what any warehouse holds.
const MaxStock = 1_000_000_000_000

// Line is a quantity of one product.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Merge returns lines sorted by product, with the quantities of the same product
// added up. It fails if a quantity is not positive.
func Merge(lines []Line) ([]Line, error) {
	sorted := slices.SortedStableFunc(slices.Values(lines), func(a, b Line) int { return strings.Compare(a.SKU, b.SKU) })
	merged := sorted[:0]
	for _, l := range sorted {
		if l.Quantity < 1 {
			return nil, fmt.Errorf("quantity %d of product %q is not positive", l.Quantity, l.SKU)
		}
		if n := len(merged); n > 0 && merged[n-1].SKU == l.SKU {
			// An absurdly large sum is only short of stock; it must not wrap around.
			merged[n-1].Quantity += min(l.Quantity, math.MaxInt64-merged[n-1].Quantity)
			continue
		}
		merged = append(merged, l)
	}
	return merged, nil
}

// Shortage is how many pieces of a product an order wanted and how many were
// available.
type Shortage struct {
	SKU       string
	Wanted    int64
	Available int64
}

// Level is how many pieces of a product there are, and where they are.
type Level struct {
	SKU       string
	Stocked   int64 // ever brought in, minus what was written off
	Available int64 // can be ordered
	Held      int64 // set aside for orders that are not confirmed yet
	Committed int64 // left the warehouse for good
	Version   int64
}

// Adjust brings in delta pieces, or writes them off if delta is negative. It
// fails with fault.Conflict if fewer are available, and with fault.Invalid if
// there would be more than MaxStock.
func (l *Level) Adjust(delta int64) error {
	if delta < -l.Available {
		return fault.New(fault.Conflict, "stock_insufficient",
			"only %d of %s are available; what is held or committed for orders cannot be taken away", l.Available, l.SKU)
	}
	if delta > MaxStock-l.Stocked {
		return fault.New(fault.Invalid, "stock_too_large",
			"that would make more than %d of %s; use a smaller delta", int64(MaxStock), l.SKU)
	}
	l.Stocked += delta
	l.Available += delta
	return nil
}

// Levels are the stock levels of some products while they are being changed.
type Levels struct {
	current map[string]*Level
	loaded  map[string]Level
}

// NewLevels returns Levels that start from the levels as they were loaded.
func NewLevels(levels ...Level) *Levels {
	ls := &Levels{current: make(map[string]*Level, len(levels)), loaded: make(map[string]Level, len(levels))}
	for _, l := range levels {
		ls.current[l.SKU], ls.loaded[l.SKU] = &l, l
	}
	return ls
}

// Level returns a product's current level. It reports false if there is no such
// product.
func (ls *Levels) Level(sku string) (Level, bool) {
	l, ok := ls.current[sku]
	if !ok {
		return Level{}, false
	}
	return *l, true
}

// Change is a level that has changed.
type Change struct {
	Level           // with its new version
	AvailableBefore int64
}

// Changes returns the levels that differ from those that were loaded, sorted by
// SKU.
func (ls *Levels) Changes() []Change {
	var changes []Change
	for sku, l := range ls.current {
		if before := ls.loaded[sku]; *l != before {
			changed := *l
			changed.Version++
			changes = append(changes, Change{Level: changed, AvailableBefore: before.Available})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.SKU, b.SKU) })
	return changes
}

// hold sets all of lines aside. lines must be merged (see Merge). If a product is
// short, hold sets nothing aside and returns all the shortages.
func (ls *Levels) hold(lines []Line) []Shortage {
	var short []Shortage
	for _, line := range lines {
		if l, _ := ls.Level(line.SKU); l.Available < line.Quantity {
			short = append(short, Shortage{SKU: line.SKU, Wanted: line.Quantity, Available: l.Available})
		}
	}
	if short == nil {
		ls.move(lines, func(l *Level, n int64) { l.Available -= n; l.Held += n })
	}
	return short
}

func (ls *Levels) commit(lines []Line) {
	ls.move(lines, func(l *Level, n int64) { l.Held -= n; l.Committed += n })
}

func (ls *Levels) release(lines []Line) {
	ls.move(lines, func(l *Level, n int64) { l.Held -= n; l.Available += n })
}

func (ls *Levels) restock(lines []Line) {
	ls.move(lines, func(l *Level, n int64) { l.Committed -= n; l.Available += n })
}

func (ls *Levels) move(lines []Line, by func(l *Level, n int64)) {
	for _, line := range lines {
		by(ls.current[line.SKU], line.Quantity)
	}
}

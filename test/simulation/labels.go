package simulation

import (
	"fmt"
	"strings"
)

// labels holds short names of ids for the history: "order 3" for the third order.
type labels struct{ orders map[string]int }

func newLabels() *labels { return &labels{orders: map[string]int{}} }

// addOrder assigns the next number to an order.
func (l *labels) addOrder(id string) {
	if l.orders[id] == 0 {
		l.orders[id] = len(l.orders) + 1
	}
}

// of returns the label of an order or another id.
func (l *labels) of(id string) string {
	if number := l.orders[id]; number > 0 {
		return fmt.Sprintf("order %d", number)
	}
	return l.short(id)
}

// short returns an id without its time.
func (l *labels) short(id string) string {
	if len(id) == 36 {
		return "#" + strings.TrimLeft(strings.ReplaceAll(id[25:], "-", ""), "0")
	}
	return id
}

// event returns the label of an event.
func (l *labels) event(p *publishedEvent) string {
	if p == nil {
		return "an event that no service committed"
	}
	return strings.TrimSuffix(p.Type, ".v1") + " of " + l.of(p.about)
}

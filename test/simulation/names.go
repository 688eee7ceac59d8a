package simulation

import (
	"fmt"
	"strings"
)

// names gives ids names for people.
type names struct{ orders map[string]int }

func newNames() *names { return &names{orders: map[string]int{}} }

func (n *names) order(id string) {
	if n.orders[id] == 0 {
		n.orders[id] = len(n.orders) + 1
	}
}

// of names what an event is about.
func (n *names) of(id string) string {
	if number := n.orders[id]; number > 0 {
		return fmt.Sprintf("order %d", number)
	}
	return n.short(id)
}

// short cuts the time off an id.
func (n *names) short(id string) string {
	if len(id) == 36 {
		return "#" + strings.TrimLeft(strings.ReplaceAll(id[25:], "-", ""), "0")
	}
	return id
}

func (n *names) event(f *fact) string {
	if f == nil {
		return "an event that nobody committed"
	}
	return strings.TrimSuffix(f.Type, ".v1") + " of " + n.of(f.about)
}

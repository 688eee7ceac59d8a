package rabbit

import "sync"

// contact is whether the sessions that a bus needs can be opened and used.
type contact struct {
	mu      sync.Mutex
	failed  map[string]bool // by the use of the session: its last dial failed, or it ended while it published
	blocked *blockade       // of the session that publishes, nil if it is not blocked
}

const (
	// opening is the use of the session that Open tries, which others replace.
	opening    = "start"
	publishing = "publish"
)

// note records whether a session for that use was opened.
func (c *contact) note(use string, opened bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if opened {
		delete(c.failed, use)
		delete(c.failed, opening)
		return
	}
	if c.failed == nil {
		c.failed = map[string]bool{}
	}
	c.failed[use] = true
}

// block records that a session that publishes is blocked, or no longer.
func (c *contact) block(of *blockade, active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if active {
		c.blocked = of
	} else if c.blocked == of {
		c.blocked = nil
	}
}

// Impaired returns why events cannot be published or consumed now, "" if they can.
func (b *Bus) Impaired() string {
	if !b.Connected() {
		return "the broker cannot be reached"
	}
	b.contact.mu.Lock()
	defer b.contact.mu.Unlock()
	if b.contact.blocked != nil {
		return "the broker accepts no events now (" + b.contact.blocked.cause() + ")"
	}
	return ""
}

// Connected reports whether every session that was needed last could be opened. A
// connection that breaks is noticed when it is opened again, at once for those that
// consume.
func (b *Bus) Connected() bool {
	b.contact.mu.Lock()
	defer b.contact.mu.Unlock()
	return len(b.contact.failed) == 0
}

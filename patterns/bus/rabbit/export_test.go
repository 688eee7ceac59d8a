package rabbit

import "time"

// SetIdleTimeout sets how long a consumer waits for a message before it starts a new
// session.
func (b *Bus) SetIdleTimeout(d time.Duration) { b.idleTimeout = d }

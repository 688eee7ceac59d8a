package rabbit

import "time"

// SetIdle says after how long without a message a consumer starts a new session.
func (b *Bus) SetIdle(d time.Duration) { b.idle = d }

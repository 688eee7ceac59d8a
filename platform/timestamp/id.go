package timestamp

import (
	"fmt"
	"time"
)

// FirstID returns what comes before all ids that were made at a time or later: a UUIDv7
// begins with the time in milliseconds (RFC 9562, 5.7).
func FirstID(at time.Time) string {
	millis := fmt.Sprintf("%012x", max(at.UnixMilli(), 0))
	return millis[:8] + "-" + millis[8:]
}

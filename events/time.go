package events

import "time"

// Time is a time in a payload. It is written as RFC 3339 in UTC with six digits after the
// dot, always, so that the order of the texts is that of the times; it is read from any
// time of RFC 3339.
type Time struct{ time.Time }

// MarshalJSON returns t in quotes.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z"`), nil
}

package preferences

import (
	"errors"
	"time"
	_ "time/tzdata" // the time zones, for images and systems that have none
)

// Hours are the hours of every local day in which nothing optional is sent, in minutes
// since midnight. They pass midnight if To is before From.
type Hours struct{ From, To int }

const (
	digestHour = 9 // of the local day
	// horizon is how far ahead a time is looked for: longer than any day lasts.
	horizon = 72 * time.Hour
)

// zone returns the time zone with a name of the IANA database; "" means UTC.
func zone(name string) (*time.Location, error) {
	if name == "Local" { // Go's name for the zone of the machine
		return nil, errors.New("not a time zone of the IANA database")
	}
	return time.LoadLocation(name)
}

// contain reports whether the hours contain a local time.
func (h *Hours) contain(local time.Time) bool {
	if h == nil {
		return false
	}
	minute := local.Hour()*60 + local.Minute()
	if h.From < h.To {
		return h.From <= minute && minute < h.To
	}
	return minute >= h.From || minute < h.To
}

// HeldUntil returns when a notice of the category that arises now is sent: the zero time
// if at once. A digest that would be due in quiet hours is due at their end.
func (p Preferences) HeldUntil(c Category, now time.Time) time.Time {
	if c.Critical() {
		return time.Time{}
	}
	local, err := zone(p.TimeZone)
	if err != nil {
		local = time.UTC // the zone was removed from the database since it was chosen
	}
	due := now.In(local)
	switch p.Of(c).Digest {
	case Hourly:
		due = next(due, func(t time.Time) bool { return t.Minute() == 0 })
	case Daily:
		due = next(due, func(t time.Time) bool { return t.Hour() == digestHour && t.Minute() == 0 })
	case Off:
		if !p.Quiet.contain(due) {
			return time.Time{}
		}
	}
	if p.Quiet.contain(due) {
		due = next(due, func(t time.Time) bool { return !p.Quiet.contain(t) })
	}
	return due.UTC()
}

// next returns the first full minute after t for which found returns true. It looks at
// one minute after the other, as the local clock shows them, so that days on which the
// clock changes need no rules of their own.
func next(t time.Time, found func(local time.Time) bool) time.Time {
	last := t.Add(horizon)
	for t = t.Truncate(time.Minute).Add(time.Minute); t.Before(last); t = t.Add(time.Minute) {
		if found(t) {
			break
		}
	}
	return t
}

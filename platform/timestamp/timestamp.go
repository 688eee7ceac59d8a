// Package timestamp has the one form in which times leave a service, in answers and in
// events: RFC 3339 in UTC with six digits after the dot. It also finds ids by their time.
//
// encoding/json leaves zeros at the end of a time out. Then a list that is sorted by the
// text of its times is in another order than by the times themselves, and strict parsers,
// such as that of Python 3.10, refuse some of them.
package timestamp

import (
	"errors"
	"time"
)

// Layout is the form of a Time whose zone is UTC.
const Layout = "2006-01-02T15:04:05.000000Z"

// Time is a time with the precision of the databases, one microsecond. It is read from any
// time of RFC 3339.
type Time struct{ time.Time }

// Of returns t as a Time.
func Of(t time.Time) Time { return Time{t} }

var errYear = errors.New("the year of a time must have four digits")

// String returns t in the form of Layout.
func (t Time) String() string { return t.UTC().Format(Layout) }

// AppendText appends t in the form of Layout. It fails for years beyond four digits, as
// that of time.Time does.
func (t Time) AppendText(b []byte) ([]byte, error) {
	utc := t.UTC()
	if year := utc.Year(); year < 0 || year > 9999 {
		return nil, errYear
	}
	return utc.AppendFormat(b, Layout), nil
}

// MarshalText returns t in the form of Layout.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// MarshalJSON returns t in the form of Layout, in quotes.
func (t Time) MarshalJSON() ([]byte, error) {
	b, err := t.AppendText(append(make([]byte, 0, len(Layout)+2), '"'))
	if err != nil {
		return nil, err
	}
	return append(b, '"'), nil
}

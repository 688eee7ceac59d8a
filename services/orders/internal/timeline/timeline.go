// Package timeline keeps all that happened to an order as one short text, which is a
// column of the order's row: it is written with the update that happens anyway.
package timeline

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Entry is one event in an order's timeline: one that the orders service published, or one
// that it consumed.
type Entry struct {
	EventID string
	At      time.Time
	Type    string // the event type
	By      string // the service, customer or admin who caused it
	Detail  string // a sentence for people
	Cause   string // the id of the event that caused it; empty if a request or the clock did
}

// Compare compares entries by their time. Those of the same time are compared by their ids.
func Compare(a, b Entry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.EventID, b.EventID)) }

// Merge returns the entries of two versions, oldest first: those of an earlier one, in any
// order, and those of this one. An event that both have consumed is in it once.
func Merge(earlier, later []Entry) []Entry {
	slices.SortFunc(earlier, Compare)
	for _, e := range later {
		if !slices.ContainsFunc(earlier, func(o Entry) bool { return o.EventID == e.EventID }) {
			earlier = append(earlier, e)
		}
	}
	slices.SortStableFunc(earlier, func(a, b Entry) int { return a.At.Compare(b.At) })
	return earlier
}

// Timeline is the timeline of an order. The zero value is an empty one.
//
// The text has a line for each entry, and the newest is the first. PostgreSQL logs an update
// without what the old and the new row have in common at their ends. The timeline is the last
// column, so only new entries are logged.
type Timeline struct {
	text  string
	added int // how many bytes at the beginning of text are not stored yet
}

// Stored returns the timeline whose text is stored.
func Stored(text string) Timeline { return Timeline{text: text} }

// Added returns the text of the entries that are not stored yet. It belongs in front of
// what is stored.
func (t Timeline) Added() string { return t.text[:t.added] }

// Saved records that all entries are stored.
func (t *Timeline) Saved() { t.added = 0 }

// Has reports whether the event is in the timeline.
func (t Timeline) Has(eventID string) bool { return t.find(encodeID(eventID)) >= 0 }

// find returns where the line of the event begins, -1 if there is none.
func (t Timeline) find(encodedID string) int { return strings.Index(t.text, "\n"+encodedID+"\t") }

// words are the types and the causers of nearly all entries. A line has a backslash and a
// letter in place of each: \A for the first. A version that does not know a word yet would
// show that, so new ones come last, in a version after the one that can read them.
var words = []string{
	"customer", "orders", "inventory", "payments", "order.created.v1", "stock.reserved.v1", "payment.authorized.v1",
	"order.confirmed.v1", "stock.committed.v1", "payment.captured.v1", "order.paid.v1",
}

// A line is a line feed and these fields, separated by tabs.
const (
	fieldID = iota
	fieldAt // in microseconds since 1970, to base 36
	fieldType
	fieldBy
	fieldCause // see encodeCause
	fieldDetail
	fields

	base36 = 36
)

// Add adds an entry. It is the newest.
func (t *Timeline) Add(e Entry) {
	line := "\n" + strings.Join([]string{
		encodeID(e.EventID), strconv.FormatInt(e.At.UnixMicro(), base36), abbreviate(e.Type), abbreviate(e.By), t.encodeCause(e.Cause), escape(e.Detail),
	}, "\t")
	t.text = line + t.text
	t.added += len(line)
}

// Entries returns the entries, oldest first.
func (t Timeline) Entries() ([]Entry, error) {
	if t.text == "" {
		return nil, nil
	}
	lines := strings.Split(t.text[1:], "\n")
	slices.Reverse(lines)
	entries := make([]Entry, 0, len(lines))
	for _, line := range lines {
		e, err := decode(line, entries)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// decode returns the entry of a line. older are the entries before it.
func decode(line string, older []Entry) (e Entry, err error) {
	f := strings.Split(line, "\t")
	if len(f) != fields {
		return Entry{}, fmt.Errorf("a line of a timeline has %d fields instead of %d", len(f), fields)
	}
	at, err := strconv.ParseInt(f[fieldAt], base36, 64)
	if err != nil {
		return Entry{}, fmt.Errorf("read the time of an entry: %w", err)
	}
	e = Entry{At: time.UnixMicro(at).UTC(), Type: expand(f[fieldType]), By: expand(f[fieldBy]), Detail: unescape(f[fieldDetail])}
	if e.EventID, err = decodeID(f[fieldID]); err != nil {
		return Entry{}, err
	}
	e.Cause, err = decodeCause(f[fieldCause], older)
	return e, err
}

// encodeCause returns "^3" if the cause is the third entry before a new one, otherwise the
// encoded id of the cause.
func (t *Timeline) encodeCause(id string) string {
	if id == "" {
		return ""
	}
	encoded := encodeID(id)
	if at := t.find(encoded); at >= 0 {
		return "^" + strconv.Itoa(strings.Count(t.text[:at], "\n")+1)
	}
	return encoded
}

func decodeCause(encoded string, older []Entry) (string, error) {
	back, isEntry := strings.CutPrefix(encoded, "^")
	if !isEntry {
		return decodeID(encoded)
	}
	n, err := strconv.Atoi(back)
	if err != nil || n < 1 || n > len(older) {
		return "", fmt.Errorf("an entry of a timeline names a cause that is not in it: %q", encoded)
	}
	return older[len(older)-n].EventID, nil
}

// encodeID returns the 22 characters of a UUID in base 64, any other id after an equals
// sign, and nothing for no id.
func encodeID(id string) string {
	if id == "" {
		return ""
	}
	u, err := uuid.Parse(id)
	if err != nil || u.String() != id {
		return "=" + escape(id)
	}
	return base64.RawURLEncoding.EncodeToString(u[:])
}

func decodeID(encoded string) (string, error) {
	if id, other := strings.CutPrefix(encoded, "="); other || encoded == "" {
		return unescape(id), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("read an id in a timeline: %w", err)
	}
	u, err := uuid.FromBytes(b)
	if err != nil {
		return "", fmt.Errorf("read an id in a timeline: %w", err)
	}
	return u.String(), nil
}

var (
	escaper   = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`)
	unescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t")
)

func escape(s string) string   { return escaper.Replace(s) }
func unescape(s string) string { return unescaper.Replace(s) }

// abbreviate returns the letter of a word, and any other text escaped.
func abbreviate(s string) string {
	if i := slices.Index(words, s); i >= 0 {
		return `\` + string(rune('A'+i))
	}
	return escape(s)
}

// expand returns the text that was abbreviated. No escaped text has a backslash before a
// capital letter.
func expand(s string) string {
	if len(s) == 2 && s[0] == '\\' {
		if i := int(s[1]) - 'A'; i >= 0 && i < len(words) {
			return words[i]
		}
	}
	return unescape(s)
}

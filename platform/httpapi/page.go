package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/fault"
)

var errNoCursor = fault.New(fault.Invalid, "cursor_invalid",
	"this is no cursor of this list; start again without one").WithField("query.cursor", "not a cursor")

// Page is a list with a cursor to the next part, as an Out body.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass as cursor to get the next page; absent on the last"`
}

// MarshalJSON gives an empty list for no items, never null.
func (p Page[T]) MarshalJSON() ([]byte, error) {
	type page Page[T]
	if p.Items == nil {
		p.Items = []T{}
	}
	return json.Marshal(page(p))
}

// PageQuery is embedded in the input of a list.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor" maxLength:"1000"`
	list   string // the path of the list that it is
}

// Resolve is huma's, to be told of the request. A cursor is good for the list that
// gave it: the keys of another would be a place in this one too, but a wrong one.
func (q *PageQuery) Resolve(ctx huma.Context) []error {
	q.list = ctx.Operation().Path
	return nil
}

// After is the key of the row that the page begins after, "" for the first page.
// Fails with fault.Invalid for a cursor that this list did not give.
func (q PageQuery) After() (string, error) {
	key, err := DecodeCursor(q.Cursor, 2)
	if err != nil || key == nil {
		return "", err
	}
	if key[0] != q.list {
		return "", errNoCursor
	}
	return key[1], nil
}

// Fetch is how many rows to read: one more than are shown, to know whether there
// is another page.
func (q PageQuery) Fetch() int { return q.Limit + 1 }

// PageOf shows rows, of which up to q.Fetch() were read. key is what the next
// page begins after.
func PageOf[R, T any](q PageQuery, rows []R, key func(R) string, show func(R) T) Page[T] {
	p := Page[T]{Items: make([]T, 0, len(rows))}
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		p.NextCursor = EncodeCursor(q.list, key(rows[q.Limit-1]))
	}
	for _, r := range rows {
		p.Items = append(p.Items, show(r))
	}
	return p
}

// EncodeCursor makes an opaque cursor of the last row's key; DecodeCursor is its
// reverse and fails with fault.Invalid for one that we did not make.
func EncodeCursor(key ...string) string {
	b, _ := json.Marshal(key) // strings always can
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeCursor gives n key parts; see EncodeCursor. An empty cursor gives nil.
func DecodeCursor(cursor string, n int) ([]string, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	var key []string
	if err == nil && utf8.Valid(b) {
		err = json.Unmarshal(b, &key)
	}
	if err != nil || len(key) != n || strings.ContainsRune(strings.Join(key, ""), 0) {
		return nil, errNoCursor.WithCause(err)
	}
	return key, nil
}

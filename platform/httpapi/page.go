package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/fault"
)

var errInvalidCursor = fault.New(fault.Invalid, "cursor_invalid",
	"the cursor does not belong to this list with this filter; start again without one").WithField("query.cursor", "not a cursor of this list")

// Page is a list with a cursor to the next part, as an Out body.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass as cursor to get the next page; absent on the last"`
}

// MarshalJSON encodes a page without items as an empty list, never as null.
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
	list   string // the list that is requested: its path, and its filter if there is one
}

// Resolve implements huma.Resolver: it records which list is requested, and by which
// filter. A cursor is valid only in the list that issued it. In another list its key would
// also be some position, but a wrong one.
func (q *PageQuery) Resolve(ctx huma.Context) []error {
	q.list = ctx.Operation().Path
	if filter := filterOf(ctx); filter != "" {
		sum := sha256.Sum256([]byte(filter))
		q.list += "?" + hex.EncodeToString(sum[:8])
	}
	return nil
}

// filterOf returns the values of the query parameters that select what the list has, in
// one form.
func filterOf(ctx huma.Context) string {
	u := ctx.URL()
	query, filter := u.Query(), url.Values{}
	for _, p := range ctx.Operation().Parameters {
		if value := query.Get(p.Name); p.In == "query" && p.Name != "limit" && p.Name != "cursor" && value != "" {
			filter.Set(p.Name, value)
		}
	}
	return filter.Encode()
}

// After returns the key of the row that the page begins after, "" for the first page.
// It fails with fault.Invalid for a cursor that this list did not issue.
func (q PageQuery) After() (string, error) {
	key, err := DecodeCursor(q.Cursor, 2)
	if err != nil || key == nil {
		return "", err
	}
	if key[0] != q.list {
		return "", errInvalidCursor
	}
	return key[1], nil
}

// Fetch returns how many rows to read: one more than the page has, to know whether
// there is another page.
func (q PageQuery) Fetch() int { return q.Limit + 1 }

// PageOf returns the page of the rows, of which the caller has read up to q.Fetch().
// key returns the key of a row, which After returns for the page that begins after that
// row; item converts a row for the response.
func PageOf[R, T any](q PageQuery, rows []R, key func(R) string, item func(R) T) Page[T] {
	p := Page[T]{Items: make([]T, 0, len(rows))}
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		p.NextCursor = EncodeCursor(q.list, key(rows[q.Limit-1]))
	}
	for _, r := range rows {
		p.Items = append(p.Items, item(r))
	}
	return p
}

// EncodeCursor returns an opaque cursor made of the last row's key. DecodeCursor is
// its reverse.
func EncodeCursor(key ...string) string {
	b, _ := json.Marshal(key) // strings can always be encoded
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeCursor returns the n parts of the key in a cursor of EncodeCursor, or nil for
// an empty cursor. It fails with fault.Invalid if EncodeCursor did not make it.
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
		return nil, errInvalidCursor.WithCause(err)
	}
	return key, nil
}

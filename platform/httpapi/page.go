package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"troupe/platform/fault"
)

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
		return nil, fault.New(fault.Invalid, "cursor_invalid",
			"this is no cursor of ours; start again without one").At("query.cursor", "not a cursor").Because(err)
	}
	return key, nil
}

package httpapi

import (
	"net/url"
	"slices"
	"strings"

	"troupe/platform/ascii"
	"troupe/platform/fault"
)

// checkQuery returns an error if the query has a parameter that the operation does not
// have, which would be ignored, or one of its own twice: the gateway, this service and the
// client's author could each read another value.
func (b bound) checkQuery(u *url.URL) error {
	if u.RawQuery == "" {
		return nil
	}
	values := u.Query()
	for _, name := range b.query {
		if len(values[name]) > 1 {
			return fault.New(fault.Malformed, "query_repeated", "the query has the parameter %s more than once; send it once", name)
		}
	}
	var unknown []string
	for name := range values {
		if !slices.Contains(b.query, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return b.unknownParameter(unknown)
}

// unknownParameter returns the error of parameters that the operation does not have.
func (b bound) unknownParameter(names []string) error {
	takes := "this operation takes no query parameters; leave it out"
	if len(b.query) > 0 {
		takes = "this operation takes " + strings.Join(b.query, ", ")
	}
	if hint := b.meant(names[0]); hint != "" {
		takes = hint + " " + takes
	}
	err := fault.New(fault.Invalid, "query_unknown", "the query parameter %s does not exist: %s", truncate(names[0]), takes)
	for _, name := range names[:min(len(names), maxErrors)] {
		err = err.WithField("query."+truncate(name), "unexpected parameter")
	}
	return err
}

// otherNames are parameters of other frameworks' lists, with what has their place here.
var otherNames = map[string]string{
	"page": "cursor", "offset": "cursor", "skip": "cursor", "after": "cursor", "page_token": "cursor",
	"page_size": "limit", "per_page": "limit", "size": "limit", "count": "limit", "first": "limit",
}

// meant returns a sentence about the parameter that was probably meant, "" if none is near.
func (b bound) meant(name string) string {
	other := otherNames[ascii.Lower(name)]
	if other == "cursor" && slices.Contains(b.query, other) {
		return "pages have no numbers here: pass next_cursor of one page as cursor of the next."
	}
	if slices.Contains(b.query, other) {
		return "did you mean " + other + "?"
	}
	for _, candidate := range b.query {
		if near(ascii.Lower(name), candidate) {
			return "did you mean " + candidate + "?"
		}
	}
	return ""
}

// near reports whether one of the texts becomes the other by at most two insertions,
// deletions or replacements, and keeps more than half of its characters.
func near(a, b string) bool {
	if len(a) > 40 || min(len(a), len(b)) < 3 {
		return false
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	distance := row[len(b)]
	return distance <= 2 && 2*distance < max(len(a), len(b))
}

package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// checkConflicts adds the routes of the file that match the same requests as another
// route while neither is more specific: a reader could not tell which one is used.
func (d *decoder) checkConflicts(own, inherited []Route) {
	for i, r := range own {
		at := fmt.Sprintf("routes[%d].path", i)
		for j, other := range own[:i] {
			if why := conflict(r, other, fmt.Sprintf("in line %d", d.lines[fmt.Sprintf("routes[%d]", j)])); why != "" {
				d.addAt(at, "%s", why)
			}
		}
		for _, other := range inherited {
			if why := conflict(r, other, "of the default"); why != "" {
				d.addAt(at, "%s", why)
			}
		}
	}
}

// conflict returns why a table cannot have a beside b, which is where it says, and "" if
// it can.
func conflict(a, b Route, where string) string {
	for _, method := range a.AllMethods() {
		switch {
		case !slices.Contains(b.AllMethods(), method):
		case Shape(a.Path) == Shape(b.Path):
			return fmt.Sprintf("%s %s is a route already, %s: remove one", method, a.Path, where)
		case overlap(a.Path, b.Path):
			return fmt.Sprintf("%s matches some of the paths of %s, %s, and neither is more specific: change one of them", a.Path, b.Path, where)
		}
	}
	return ""
}

// overlap reports whether neither of two paths that match the same requests is more
// specific, by the rules of http.ServeMux.
func overlap(a, b string) (conflicts bool) {
	if disjoint(a, b) { // which spares most pairs the mux
		return false
	}
	defer func() { conflicts = recover() != nil }()
	mux := http.NewServeMux()
	mux.Handle(muxPattern(a), http.NotFoundHandler())
	mux.Handle(muxPattern(b), http.NotFoundHandler())
	return false
}

// disjoint reports whether no request matches both paths: one has a segment where the other
// has another one, or none.
func disjoint(a, b string) bool {
	one, other := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(one), len(other)) {
		switch {
		case strings.HasSuffix(one[i], "...}") || strings.HasSuffix(other[i], "...}"):
			return false
		case !strings.HasPrefix(one[i], "{") && !strings.HasPrefix(other[i], "{") && one[i] != other[i]:
			return true
		}
	}
	return len(one) != len(other)
}

// muxPattern returns the path as a pattern of http.ServeMux, in which a final / would
// match everything below.
func muxPattern(path string) string {
	if strings.HasSuffix(path, "/") {
		return path + "{$}"
	}
	return path
}

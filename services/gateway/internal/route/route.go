// Package route finds the route of a request by its method and path. Segments match as a
// whole: /usersX is not below /users.
package route

import (
	"slices"
	"strings"
)

// Table holds the values of routes by method and path. It is not safe to add to a table
// that is in use.
type Table[T any] struct {
	trees map[string]*node[T] // by method
}

// node is what follows one segment of a path.
type node[T any] struct {
	literals  map[string]*node[T]
	parameter *node[T]
	value     *T // of a path that ends here
	rest      *T // of all paths from here on
}

// Add adds a route. Its path has literal segments, parameters such as {id}, which match
// any one segment that is not empty, and at the end perhaps {rest...}, which matches all
// that follows, nothing included: /shop/{rest...} matches /shop too. GET includes HEAD.
func (t *Table[T]) Add(method, path string, value T) {
	if t.trees == nil {
		t.trees = map[string]*node[T]{}
	}
	n := t.trees[method]
	if n == nil {
		n = &node[T]{}
		t.trees[method] = n
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if strings.HasSuffix(segment, "...}") {
			n.rest = &value
			return
		}
		n = n.child(segment)
	}
	n.value = &value
}

func (n *node[T]) child(segment string) *node[T] {
	if strings.HasPrefix(segment, "{") {
		if n.parameter == nil {
			n.parameter = &node[T]{}
		}
		return n.parameter
	}
	if n.literals == nil {
		n.literals = map[string]*node[T]{}
	}
	if n.literals[segment] == nil {
		n.literals[segment] = &node[T]{}
	}
	return n.literals[segment]
}

// Find returns the value of the most specific route: in the first segment in which two
// routes differ, a literal is preferred to a parameter, and a parameter to the rest.
func (t *Table[T]) Find(method, path string) (value T, ok bool) {
	if method == "HEAD" {
		method = "GET"
	}
	n := t.trees[method]
	if n == nil || !strings.HasPrefix(path, "/") {
		return value, false
	}
	if found := n.find(path[1:], true); found != nil {
		return *found, true
	}
	return value, false
}

// find returns the value for what is left of a path; more reports whether a segment,
// which may be empty, is left.
func (n *node[T]) find(path string, more bool) *T {
	if n == nil {
		return nil
	}
	if !more {
		if n.value != nil {
			return n.value
		}
		return n.rest
	}
	segment, after, more := strings.Cut(path, "/")
	if found := n.literals[segment].find(after, more); found != nil {
		return found
	}
	if segment != "" {
		if found := n.parameter.find(after, more); found != nil {
			return found
		}
	}
	return n.rest
}

// Methods returns the methods for which there is a route with this path, sorted, HEAD
// beside GET; nil if there is none.
func (t *Table[T]) Methods(path string) []string {
	var methods []string
	for method := range t.trees {
		if _, ok := t.Find(method, path); !ok {
			continue
		}
		methods = append(methods, method)
		if method == "GET" {
			methods = append(methods, "HEAD")
		}
	}
	slices.Sort(methods)
	return methods
}

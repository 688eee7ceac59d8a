// Package failpoint marks the places where a crash could do harm, so that a test
// can kill a process at each of them. A package declares its own points as
// variables and calls Hit where they are:
//
//	var published = failpoint.New("outbox: published, not deleted")
//
//	results := bus.Publish(ctx, messages)
//	published.Hit() // a crash here publishes the messages a second time
//
// In a normal build Hit is an empty function that the compiler inlines: a point
// costs nothing. In a build with -tags failpoints a process kills itself, as
// kill -9 would, when it reaches the point that TROUPE_FAIL_AT names:
//
//	TROUPE_FAIL_AT="outbox: published, not deleted"      the first time
//	TROUPE_FAIL_AT="outbox: published, not deleted#3"    the third time
//
// A name that no package declares is an error: the first point reached panics.
//
// The name of the package is the term of etcd's gofail, whose fail points do the
// same and more.
package failpoint

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// Point is a place in the code.
type Point struct{ name string }

// points holds every declared point by name.
var (
	mu     sync.Mutex
	points = map[string]bool{}
)

// validName leaves # to the count in TROUPE_FAIL_AT.
var validName = regexp.MustCompile(`^[a-z]+: [^#]+$`)

// New declares a point. The name is where the point is and what has just happened
// there, for example "outbox: read, not published". New panics if the name has
// another form or is taken, so call it only to initialize package variables.
func New(name string) Point {
	mu.Lock()
	defer mu.Unlock()
	if !validName.MatchString(name) || points[name] {
		panic(fmt.Sprintf("fail point %q: the name must be new, in the form \"package: what has happened\"", name))
	}
	points[name] = true
	return Point{name}
}

// String returns the point's name.
func (p Point) String() string { return p.name }

// Names returns the names of all points that the packages of this program
// declare, sorted.
func Names() []string {
	mu.Lock()
	defer mu.Unlock()
	names := make([]string, 0, len(points))
	for name := range points {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Variable names the point at which the process ends.
const Variable = "TROUPE_FAIL_AT"

// fuse counts how often its point is reached.
type fuse struct {
	at   string
	left atomic.Int64
}

var armed = sync.OnceValue(func() *fuse {
	f, err := parse(os.Getenv(Variable))
	if err != nil {
		panic(err)
	}
	return f
})

// parse reads "point" or "point#n"; "" is a point that is never reached.
func parse(s string) (*fuse, error) {
	name, nth, many := strings.Cut(s, "#")
	f := &fuse{at: name}
	f.left.Store(1)
	if many {
		n, err := strconv.ParseInt(nth, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s is %q: what follows # must be a number from 1 on", Variable, s)
		}
		f.left.Store(n)
	}
	if name != "" && !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("%s is %q: no package declares this fail point", Variable, s)
	}
	return f, nil
}

// reached reports whether the process is to end now that p is reached.
func (f *fuse) reached(p Point) bool { return p.name == f.at && f.left.Add(-1) == 0 }

// Hit marks that the point was reached. The process ends here if TROUPE_FAIL_AT
// asks for it.
func (p Point) Hit() {
	if armed().reached(p) {
		die()
	}
}

// die kills the process: nothing is flushed, deferred or logged.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is on its way; do not go on meanwhile
}

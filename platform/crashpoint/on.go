//go:build crashpoints

package crashpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Variable says where to die.
const Variable = "TROUPE_CRASH_AT"

// fuse burns down as its point is passed.
type fuse struct {
	at   Point
	left atomic.Int64
}

var armed = sync.OnceValue(func() *fuse {
	f, err := parse(os.Getenv(Variable))
	if err != nil {
		panic(err)
	}
	return f
})

// parse reads "point" or "point#n"; "" is never passed.
func parse(s string) (*fuse, error) {
	name, nth, many := strings.Cut(s, "#")
	f := &fuse{at: Point(name)}
	f.left.Store(1)
	if many {
		n, err := strconv.ParseInt(nth, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s is %q: what follows # must be a number from 1 on", Variable, s)
		}
		f.left.Store(n)
	}
	if name != "" && !slices.Contains(All, f.at) {
		return nil, fmt.Errorf("%s is %q: there is no such crash point", Variable, s)
	}
	return f, nil
}

// passed says whether this is the passing to die at.
func (f *fuse) passed(p Point) bool { return p == f.at && f.left.Add(-1) == 0 }

// Here marks p, and is where the process ends if that was asked for.
func Here(p Point) {
	if armed().passed(p) {
		die()
	}
}

// die ends the process with nothing flushed, nothing deferred and nothing said.
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

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

// Variable is the environment variable that names the point at which the process
// ends.
const Variable = "TROUPE_FAIL_AT"

// trigger counts down the hits of one point.
type trigger struct {
	point     string // "" for none
	remaining atomic.Int64
}

// configured is read at the first hit, when every package has declared its points.
var configured = sync.OnceValue(func() *trigger {
	t, err := parse(os.Getenv(Variable))
	if err != nil {
		panic(err)
	}
	return t
})

// parse reads "point" or "point#n". The trigger of "" never fires.
func parse(s string) (*trigger, error) {
	name, count, counted := strings.Cut(s, "#")
	t := &trigger{point: name}
	t.remaining.Store(1)
	if counted {
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s is %q: what follows # must be a number from 1 on", Variable, s)
		}
		t.remaining.Store(n)
	}
	if name != "" && !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("%s is %q: no package declares this fail point", Variable, s)
	}
	return t, nil
}

// fires reports whether the process must end at this hit of p.
func (t *trigger) fires(p Point) bool { return p.name == t.point && t.remaining.Add(-1) == 0 }

// Hit marks that the point was reached. The process ends here if TROUPE_FAIL_AT
// asks for it.
func (p Point) Hit() {
	if configured().fires(p) {
		kill()
	}
}

// kill ends the process at once: nothing is flushed, deferred or logged.
func kill() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is on its way; nothing else may happen meanwhile
}

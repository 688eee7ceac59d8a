package simulation

import "strings"

// faultProfile is the set of the kinds of faults that a run has. Not every run has all
// of them: where everything fails all the time, mistakes that need a quiet moment
// stay hidden.
type faultProfile uint

const (
	midwayCrashes     faultProfile = 1 << iota // processes crash while they do something
	crashes                                    // processes crash in between
	crashLoops                                 // a process crashes again and again
	storageErrors                              // statements and commits fail, or seem to fail
	brokenSessions                             // sessions with the broker break
	partitions                                 // services cannot reach the broker
	lostConfirms                               // messages and confirmations get lost
	duplicates                                 // messages are delivered again
	lostProviderCalls                          // calls to the payment provider and its responses get lost
	longWaits                                  // nothing happens for minutes but that time passes
	clockSkew                                  // clocks differ and jump
	sleeps                                     // the whole machine sleeps: nothing runs while time passes
	fullDisks                                  // a database can be read but not written for a while
)

// faultRates are the percentages of runs that have each kind of fault.
var faultRates = []struct {
	kind    faultProfile
	name    string
	percent int
}{
	{midwayCrashes, "crashes midway", 60},
	{crashes, "crashes", 50},
	{crashLoops, "crash loops", 30},
	{storageErrors, "storage errors", 30},
	{brokenSessions, "broken sessions", 50},
	{partitions, "partitions", 40},
	{lostConfirms, "lost confirmations", 50},
	{duplicates, "duplicates", 50},
	{lostProviderCalls, "lost provider calls", 50},
	{longWaits, "long waits", 50},
	{clockSkew, "skewed clocks", 40},
	{sleeps, "sleeps", 40},
	{fullDisks, "full disks", 30},
}

// drawProfile returns a random fault profile.
func (r *run) drawProfile() (f faultProfile) {
	for _, c := range faultRates {
		if r.maybe(c.percent) {
			f |= c.kind
		}
	}
	return f
}

// has reports whether the profile has faults of a kind.
func (p faultProfile) has(kind faultProfile) bool { return p&kind != 0 }

func (p faultProfile) String() string {
	var names []string
	for _, c := range faultRates {
		if p.has(c.kind) {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}

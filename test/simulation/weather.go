package simulation

import "strings"

// weather is the kinds of trouble that a world has. Not every world has all: a
// storm that never ends hides what only breaks in quieter ones.
type weather uint

const (
	dying      weather = 1 << iota // processes die in the middle of something
	crashes                        // and between
	crashLoops                     // again and again
	hiccups                        // statements and commits fail, or seem to
	breaks                         // sessions with the broker end
	cuts                           // services can not reach the broker
	confirms                       // messages and confirmations get lost
	repeats                        // messages are handed out again
	provider                       // calls to the payment provider and its answers get lost
	leaps                          // nothing happens for minutes
	skews                          // clocks differ and jump
)

// climate is how likely each kind is, in percent.
var climate = []struct {
	kind    weather
	name    string
	percent int
}{
	{dying, "deaths in the middle", 60},
	{crashes, "crashes", 50},
	{crashLoops, "crash loops", 30},
	{hiccups, "hiccups", 30},
	{breaks, "broken sessions", 50},
	{cuts, "partitions", 40},
	{confirms, "lost confirmations", 50},
	{repeats, "duplicates", 50},
	{provider, "lost calls", 50},
	{leaps, "long waits", 50},
	{skews, "skewed clocks", 40},
}

// foretell draws the weather of a world.
func (w *world) foretell() (f weather) {
	for _, c := range climate {
		if w.maybe(c.percent) {
			f |= c.kind
		}
	}
	return f
}

func (w weather) has(kind weather) bool { return w&kind != 0 }

func (w weather) String() string {
	var names []string
	for _, c := range climate {
		if w.has(c.kind) {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}

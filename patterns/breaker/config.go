package breaker

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// Config of a breaker. A zero field means its default.
type Config struct {
	// Window is how far back calls count, 10 s. It moves in tenths.
	Window time.Duration
	// MinCalls in the window before a rate means anything, 20.
	MinCalls int
	// FailureRate opens: failures / calls in the window, 0.5. Over 1 never does.
	FailureRate float64
	// SlowRate opens: slow calls / calls in the window, 0.8. Over 1 never does, and
	// then a slow probe is a good one.
	SlowRate float64
	// Streak opens: failures with no success in between, 10. Negative never does.
	Streak int

	// Recovery is how long OPEN lasts at least, 10 s. Each opening that follows
	// without closing in between lasts twice as long, up to RecoveryMax (60 s), and
	// each lasts up to the fraction Jitter (0.2, negative for none) longer still, so
	// that replicas do not probe in step.
	Recovery    time.Duration
	RecoveryMax time.Duration
	Jitter      float64

	// Probes in flight at most while HALF_OPEN, 3.
	Probes int
	// Successes of probes that close, 3. One failure opens again.
	Successes int
	// ProbeTimeout is how long the probes may hang before they count as failed, 15 s.
	ProbeTimeout time.Duration

	Now      func() time.Time // time.Now
	Rand     func() float64   // in [0, 1); rand.Float64
	OnChange func(Change)     // called without the lock held: it may call the breaker
}

func (c Config) withDefaults() Config {
	c.Window = cmp.Or(c.Window, 10*time.Second)
	c.MinCalls = cmp.Or(c.MinCalls, 20)
	c.FailureRate = cmp.Or(c.FailureRate, 0.5)
	c.SlowRate = cmp.Or(c.SlowRate, 0.8)
	c.Streak = cmp.Or(c.Streak, 10)
	c.Recovery = cmp.Or(c.Recovery, 10*time.Second)
	c.RecoveryMax = max(cmp.Or(c.RecoveryMax, time.Minute), c.Recovery)
	c.Jitter = max(cmp.Or(c.Jitter, 0.2), 0)
	c.Probes = cmp.Or(c.Probes, 3)
	c.Successes = cmp.Or(c.Successes, 3)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, 15*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	return c
}

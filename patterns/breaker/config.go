package breaker

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// Config configures a Breaker. A zero field means its default.
type Config struct {
	// Window is how long a call counts, 10 s. The window moves in tenths.
	Window time.Duration
	// MinCalls is the number of calls in the window from which on rates are checked, 20.
	MinCalls int
	// FailureRate is the share of failures among the calls in the window at which the
	// breaker opens, 0.5. Above 1 it never opens.
	FailureRate float64
	// SlowRate is the share of slow calls in the window at which the breaker opens, 0.8.
	// Above 1 it never opens, and then a slow probe counts as a success.
	SlowRate float64
	// Streak is the number of failures with no success in between at which the breaker
	// opens, 10. If it is negative, the breaker never opens because of a streak.
	Streak int

	// Recovery is the minimum time that OPEN lasts, 10 s. Each opening that follows
	// without closing in between lasts twice as long, up to RecoveryMax (60 s), and
	// each lasts up to the fraction Jitter (0.2, negative for none) longer still, so
	// that replicas do not probe in step.
	Recovery    time.Duration
	RecoveryMax time.Duration
	Jitter      float64

	// Probes is the maximum number of probes in flight while HALF_OPEN, 3.
	Probes int
	// Successes is the number of successful probes that closes the breaker, 3. One failed
	// probe opens it again.
	Successes int
	// ProbeTimeout is how long the probes may take before they count as failed, 15 s.
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

package throttle_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/throttle"
)

// client sends requests at a fixed rate to a service that accepts some of them.
type client struct {
	throttle *throttle.Throttle
	now      time.Time
}

func newClient() *client {
	c := &client{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	c.throttle = throttle.New(func() time.Time { return c.now }, rand.New(rand.NewPCG(1, 2)).Float64)
	return c
}

// run sends so many requests a second for that time. The service accepts the first of
// each second, up to its capacity.
func (c *client) run(perSecond, capacity int, d time.Duration) (sent, accepted int) {
	for range int(d / time.Second) {
		room := capacity
		for range perSecond {
			c.now = c.now.Add(time.Second / time.Duration(perSecond))
			if !c.throttle.Admit() {
				c.throttle.Refused()
				continue
			}
			sent++
			refused := room == 0
			if !refused {
				room--
				accepted++
			}
			c.throttle.Answered(refused)
		}
	}
	return sent, accepted
}

func TestAllRequestsAreSentToAServiceThatAcceptsThem(t *testing.T) {
	t.Parallel()
	sent, accepted := newClient().run(1000, 1000, time.Minute)
	require.Equal(t, 60_000, sent)
	require.Equal(t, 60_000, accepted)
}

func TestAnOverloadedServiceGetsLittleMoreThanItAccepts(t *testing.T) {
	t.Parallel()
	c := newClient()
	c.run(3000, 1000, 5*time.Second)
	sent, accepted := c.run(3000, 1000, time.Minute)
	require.Greater(t, accepted, 59_000, "the service has enough to do")
	require.Less(t, sent, 77_000, "of 180,000 requests")
}

func TestRequestsAreSentAgainSoonAfterAnOverload(t *testing.T) {
	t.Parallel()
	c := newClient()
	c.run(3000, 1000, 20*time.Second)
	c.run(500, 1000, 3*time.Second)
	sent, _ := c.run(500, 1000, 10*time.Second)
	require.Equal(t, 5000, sent)
}

func TestAServiceThatCanDoMoreGetsMore(t *testing.T) {
	t.Parallel()
	c := newClient()
	c.run(3000, 300, 20*time.Second)
	c.run(3000, 2400, 30*time.Second)
	_, accepted := c.run(3000, 2400, 10*time.Second)
	require.Greater(t, accepted, 23_000)
}

func TestFewRequestsAreNotThrottled(t *testing.T) {
	t.Parallel()
	sent, _ := newClient().run(2, 0, time.Minute)
	require.Greater(t, sent, 90, "of 120 requests: each shows whether the service accepts again")
}

// Ten strangers for each customer, whose requests are refused because they are strangers'.
func TestRequestsThatAreRefusedForAnotherReasonTakeNoPlace(t *testing.T) {
	t.Parallel()
	c := newClient()
	c.run(3000, 1000, 20*time.Second)
	sent := 0
	for range 20 {
		room := 1000
		for range 3000 {
			c.now = c.now.Add(time.Second / 3000)
			for range 10 {
				c.throttle.Admit()
			}
			if !c.throttle.Admit() {
				c.throttle.Refused()
				continue
			}
			sent++
			room--
			c.throttle.Answered(room < 0)
		}
	}
	require.Greater(t, sent, 20_000, "the service has enough to do")
}

func TestAClockThatGoesBackIsNoHarm(t *testing.T) {
	t.Parallel()
	c := newClient()
	c.run(1000, 100, 10*time.Second)
	c.now = c.now.Add(-time.Hour)
	c.run(1000, 1000, 10*time.Second)
	sent, _ := c.run(1000, 1000, 10*time.Second)
	require.Equal(t, 10_000, sent, "what was counted in the future is forgotten")
}

// A service that keeps a backlog accepts for seconds and then refuses for seconds. In the
// meantime it must not run out of work.
func TestAServiceThatAcceptsInPhasesIsKeptBusy(t *testing.T) {
	t.Parallel()
	const perSecond, capacity, closesAt, opensAt = 3000, 1000, 4000, 1500
	c := newClient()
	backlog, open, idle, sent := 0.0, true, 0, 0
	run := func(d time.Duration) {
		for range int(d.Seconds() * perSecond) {
			c.now = c.now.Add(time.Second / perSecond)
			backlog -= capacity / float64(perSecond)
			if backlog < 0 {
				backlog = 0
				idle++
			}
			if backlog >= closesAt {
				open = false
			} else if backlog <= opensAt {
				open = true
			}
			if c.throttle.Admit() {
				sent++
				if open {
					backlog++
				}
				c.throttle.Answered(!open)
			} else {
				c.throttle.Refused()
			}
		}
	}
	run(10 * time.Second)
	idle, sent = 0, 0
	run(time.Minute)
	require.Less(t, idle, perSecond*60/100, "it has no work for less than 1 %% of the time")
	require.Less(t, sent, capacity*60*11/10, "of 180,000 requests: while it refuses all, few are sent to find out")
}

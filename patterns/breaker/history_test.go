package breaker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/breaker"
)

// reasons returns the breaker's history as lines, the latest first.
func reasons(b *breaker.Breaker) (lines []string) {
	for _, c := range b.History() {
		forced := ""
		if c.Forced {
			forced = " forced"
		}
		lines = append(lines, fmt.Sprintf("%v%s: %s", c.To, forced, c.Reason))
	}
	return lines
}

func TestTheHistoryHasTheReasonOfEachChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run  func(b *breaker.Breaker)
		want []string
	}{
		"none yet": {func(*breaker.Breaker) {}, nil},
		"failures": {
			func(b *breaker.Breaker) { calls(b, fail, ok, ok, fail) },
			[]string{"OPEN: 2 of 4 calls failed"},
		},
		"slow calls": {
			func(b *breaker.Breaker) { calls(b, slow, slow, ok, slow) },
			[]string{"OPEN: 3 of 4 calls were slow"},
		},
		"a failed probe": {
			func(b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, fail)
			},
			[]string{"OPEN: a probe failed", "HALF_OPEN: the recovery time is over", "OPEN: 3 failures in a row"},
		},
		"probes that hang": {
			func(b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				_, _ = b.Allow()
				_, _ = b.Allow()
				time.Sleep(15 * time.Second)
				_, _ = b.Allow()
			},
			[]string{"OPEN: no probe ended in time", "HALF_OPEN: the recovery time is over", "OPEN: 3 failures in a row"},
		},
		"forced, and released": {
			func(b *breaker.Breaker) {
				b.Release("not forced: no change")
				calls(b, fail, fail, fail)
				b.Force(breaker.Open, "repair")
				b.Release("done")
			},
			[]string{"CLOSED: done", "OPEN forced: repair", "OPEN: 3 failures in a row"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(smallConfig())
				c.run(b)
				require.Equal(t, c.want, reasons(b))
			})
		})
	}
}

func TestTheHistoryKeepsTheLatestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(smallConfig())
		for i := range 50 {
			time.Sleep(time.Second)
			b.Force(breaker.Open, fmt.Sprint("repair ", i))
			b.Release(fmt.Sprint("done ", i))
		}
		history := b.History()
		require.Len(t, history, 32)
		require.Equal(t, "done 49", history[0].Reason)
		require.Equal(t, "repair 34", history[31].Reason)
		require.Equal(t, time.Now(), b.Snapshot().Since)
	})
}

package test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
	"troupe/test/load"
)

// Several times as many orders arrive as can be carried. Those that are accepted are
// completed, about as many as ever; the rest is refused at once, and none is cancelled
// because it had to wait. The shapes take turns: each needs the machine.
func TestAnOverloadCancelsNoAcceptedOrder(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct {
		name string
		kind cluster.Kind
	}{{"one process", cluster.OneProcess}, {"a process per service", cluster.ProcessPerService}} {
		t.Run(shape.name, func(t *testing.T) {
			binary, err := program()
			require.NoError(t, err)
			s := startSystem(t, cluster.Config{Kind: shape.kind, Program: binary, Settings: []string{
				"ORDERS_DEADLINE=12s", "ORDERS_ADMISSION_FIRST=100", "LOG_LEVEL=error",
			}})
			o := load.Overload{
				Generator: load.Generator{Gateway: s.URL("gateway"), AdminEmail: cluster.AdminEmail, AdminPassword: cluster.AdminPassword},
				Orders:    s.database(t, "orders"), Customers: 20, Sample: 1000, Steady: 5 * time.Second, Times: 5, For: 20 * time.Second,
				CPU: func() time.Duration { return 0 }, Log: t.Logf,
			}
			r, err := o.Run(t.Context())
			require.NoError(t, err)
			t.Logf("%.0f orders/s of %.0f; accepted %d, refused %d in %s at most", r.Goodput, r.Capacity,
				r.Answers.Accepted, r.Answers.Refused, r.Answers.Refusals.Below(1))
			require.Zero(t, r.Answers.Failed, r.Answers.Failure)
			require.Positive(t, r.Answers.Refused)
			require.Zero(t, r.Cancelled)
			// The other tests take their share of the machine; bench measures the figures.
			completed := float64(r.Answers.Accepted) / (o.For + r.Recovery).Seconds()
			require.Greater(t, completed, 0.3*r.Capacity)
			require.Less(t, r.Answers.Refusals.Below(0.5), 50*time.Millisecond+20*r.Answers.Probes.Below(0.5))
			require.Less(t, r.Recovery, time.Minute)
		})
	}
}

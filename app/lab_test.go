package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
)

// labService is a service that consumes events.
var labService = Service{Name: "payments", Migrations: testMigrations, Topology: topology}

func started(t *testing.T, fault string) seams {
	t.Helper()
	w := newSeams(labService, Settings{Environment: "development"})
	_, err := w.faults.Start(fault, 20*time.Second)
	require.NoError(t, err)
	return w
}

type acceptAll struct{}

func (acceptAll) Publish(_ context.Context, messages []bus.Message) []error {
	return make([]error, len(messages))
}

func TestNothingIsPublishedWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := started(t, "broker").withPublisher(acceptAll{})
		for _, err := range p.Publish(t.Context(), make([]bus.Message, 2)) {
			require.ErrorIs(t, err, bus.ErrUnavailable)
		}
		<-time.After(21 * time.Second)
		require.Equal(t, []error{nil, nil}, p.Publish(t.Context(), make([]bus.Message, 2)))
	})
}

// consumed is what a consumer with a fault does with two batches, the second of which was
// delivered before.
func consumed(t *testing.T, fault string) (calls int, took time.Duration, errs []error) {
	t.Helper()
	handle := started(t, fault).withConsumer(func(context.Context, []bus.Delivery) error { calls++; return nil })
	began := time.Now()
	for attempt := range 2 {
		errs = append(errs, handle(t.Context(), []bus.Delivery{{Attempt: attempt}}))
	}
	return calls, time.Since(began), errs
}

func TestAConsumerWithAFault(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]struct {
		calls int
		took  time.Duration
		errs  []error
	}{
		"slow":      {calls: 2, took: 2 * slowness, errs: []error{nil, nil}},
		"duplicate": {calls: 4, errs: []error{nil, nil}},
		"lost_ack":  {calls: 2, errs: []error{errAcknowledgementLost, nil}},
		"broker":    {calls: 2, took: 20 * time.Second, errs: []error{nil, nil}},
		"stopped":   {calls: 2, took: 20 * time.Second, errs: []error{nil, nil}},
		"down":      {calls: 2, errs: []error{nil, nil}},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls, took, errs := consumed(t, fault)
				require.Equal(t, want.calls, calls)
				require.Equal(t, want.took, took)
				require.Equal(t, want.errs, errs)
			})
		})
	}
}

func TestWorkersOfAServiceThatIsStoppedWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := started(t, "stopped").withWorker(worker.Worker{Step: func(context.Context) (int, error) { return 7, nil }})
		began := time.Now()
		did, err := w.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, did)
		require.Equal(t, 20*time.Second, time.Since(began))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		did, err = started(t, "stopped").withWorker(w).Step(ended)
		require.NoError(t, err)
		require.Zero(t, did, "the process ends")
	})
}

// A fault that is active at a stop must not keep the process from ending.
func TestAStopEndsTheFaults(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	for _, f := range s.services[0].seams.faults.List() {
		_, err := s.services[0].seams.faults.Start(f.Name, time.Minute)
		require.NoError(t, err)
	}
	require.NoError(t, s.Stop())
}

func TestThereIsNoLabInProduction(t *testing.T) {
	t.Parallel()
	w := newSeams(labService, Settings{Environment: "production"})
	require.Nil(t, w.faults)
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	c.Environ["TROUPE_ENV"] = "production"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	require.Equal(t, http.StatusNotFound, post(s.URL("payments")+"/lab/faults"))

	c = config(t, consumer(t, &handled))
	development, err := Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, development.Stop()) })
	require.Equal(t, http.StatusUnauthorized, post(development.URL("payments")+"/lab/faults"))
}

package app

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
)

// looked lets time pass for a liveness, in which its loops do what they do.
func looked(l *liveness, log *slog.Logger, d time.Duration) {
	for ; d > 0; d -= livenessInterval {
		l.look(livenessInterval, log)
	}
}

func TestAStepThatNeverEndsIsNotLive(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	stuck := worker.Worker{Name: "sweeper", Interval: time.Hour, Step: func(context.Context) (int, error) {
		close(entered)
		<-release
		return 0, nil
	}}
	c := config(t, Service{Name: "orders", Build: func(Env) (Components, error) {
		return Components{Workers: []worker.Worker{stuck}}, nil
	}})
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	<-entered
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	looked(&s.live, logger, longestStep)
	require.Equal(t, `{"status":"ok"}`, requireOK(t, s.URL("orders")+"/livez"), "it may only be slow")

	looked(&s.live, logger, 2*livenessInterval)
	response, err := http.Get(s.URL("orders") + "/livez")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Contains(t, s.live.reason(), "a step of sweeper of orders has not ended for 20m")
	require.Equal(t, []string{"sweeper of orders"}, s.live.inStep())
	require.Equal(t, 1, strings.Count(log.String(), "the process does not go on"), log.String())

	close(release)
	require.Eventually(t, func() bool {
		s.live.look(livenessInterval, logger)
		return s.live.reason() == ""
	}, waitLimit, waitStep)
	require.Contains(t, log.String(), "the process goes on again")
	require.NoError(t, s.Stop())
}

func TestAStopNamesTheLoopThatItCutsOff(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	stuck := worker.Worker{Name: "sweeper", Step: func(context.Context) (int, error) {
		close(entered)
		<-release
		return 0, nil
	}}
	c := config(t, Service{Name: "orders", Build: func(Env) (Components, error) {
		return Components{Workers: []worker.Worker{stuck}}, nil
	}})
	c.Environ["DRAIN_TIMEOUT"] = "10ms"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	<-entered
	require.EqualError(t, s.Stop(), "workers cut off: a step did not end in time: sweeper of orders")
	close(release)
}

func TestALoopWithoutStepsIsNotLive(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for interval, longest := range map[time.Duration]time.Duration{time.Second: longestIdle, time.Hour: 10 * time.Hour} {
		var l liveness
		w := l.watch(worker.Worker{Name: "sweeper", Interval: interval, Step: func(context.Context) (int, error) { return 0, nil }}, "orders")
		_, err := w.Step(t.Context())
		require.NoError(t, err)
		looked(&l, log, livenessInterval+longest)
		require.Empty(t, l.reason(), "it waits for its interval")
		looked(&l, log, livenessInterval)
		require.Contains(t, l.reason(), "sweeper of orders has not begun a step for")
		_, err = w.Step(t.Context())
		require.NoError(t, err)
		looked(&l, log, livenessInterval)
		require.Empty(t, l.reason())
	}
}

// A service without events waits for the next one, however long.
func TestAHandlerWithoutEventsIsLive(t *testing.T) {
	t.Parallel()
	var l liveness
	handle := l.watchHandler(func(context.Context, []bus.Delivery) error { return nil }, "orders")
	require.NoError(t, handle(t.Context(), nil))
	looked(&l, slog.New(slog.DiscardHandler), 100*time.Hour)
	require.Empty(t, l.reason())
}

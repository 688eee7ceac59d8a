package app

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// startReloading starts a service that counts its reloads, and one that has none.
func startReloading(t *testing.T, reloads *atomic.Int64, reload chan<- struct{}) *System {
	t.Helper()
	counting := Service{Name: "orders", Build: func(Env) (Components, error) {
		return Components{Reload: func(context.Context) error {
			reloads.Add(1)
			reload <- struct{}{}
			return errors.New("the file is gone")
		}}, nil
	}}
	other := Service{Name: "payments", Build: func(Env) (Components, error) { return Components{}, nil }}
	s, err := Start(t.Context(), config(t, other, counting))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func TestEverySIGHUPReloads(t *testing.T) {
	t.Parallel()
	var reloads atomic.Int64
	reload := make(chan struct{})
	s := startReloading(t, &reloads, reload)
	s.hangups = hangups{received: make(chan os.Signal), hadTerminal: true, hasTerminal: func() bool { return true }}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.wait(ctx) }()
	for range 2 {
		s.hangups.received <- syscall.SIGHUP
		<-reload
	}
	stop()
	require.NoError(t, <-ended)
	require.EqualValues(t, 2, reloads.Load())
}

// Otherwise `troupe up` would go on, unseen and with its ports taken, when its window is
// closed.
func TestATerminalThatClosesStopsTheProgram(t *testing.T) {
	t.Parallel()
	var reloads atomic.Int64
	s := startReloading(t, &reloads, make(chan struct{}))
	s.hangups = hangups{received: make(chan os.Signal, 1), hadTerminal: true, hasTerminal: func() bool { return false }}
	s.hangups.received <- syscall.SIGHUP
	require.NoError(t, s.wait(t.Context()))
	require.Zero(t, reloads.Load())
}

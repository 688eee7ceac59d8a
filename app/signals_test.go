package app

import (
	"context"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// signalled is a program in a synctest bubble that receives signals.
type signalled struct {
	*Signals
	ctx    context.Context
	exits  []int
	report string
}

func newSignalled(t *testing.T) *signalled {
	t.Helper()
	out, in := io.Pipe()
	p := &signalled{Signals: &Signals{received: make(chan os.Signal, 4), terminal: in, ended: make(chan struct{})}}
	p.exit = func(code int) { p.exits = append(p.exits, code) }
	ctx, cancel := context.WithCancel(t.Context())
	p.ctx = ctx
	go p.watch(cancel)
	t.Cleanup(func() { _ = in.Close() })
	go func() {
		report, _ := io.ReadAll(out)
		p.report = string(report)
	}()
	return p
}

func TestTheSecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	for received, code := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		synctest.Test(t, func(t *testing.T) {
			p := newSignalled(t)
			called := 0
			p.BeforeExit(func() { called++ })
			synctest.Wait()
			require.NoError(t, p.ctx.Err())

			p.received <- received
			synctest.Wait()
			require.Error(t, p.ctx.Err(), "the first one asks for an orderly stop")
			time.Sleep(sameKeypress - 1)
			p.received <- received // as some terminals send it
			synctest.Wait()
			require.Empty(t, p.exits)

			time.Sleep(time.Nanosecond)
			p.received <- received
			synctest.Wait()
			require.Equal(t, []int{code}, p.exits)
			require.Equal(t, 1, called)
			p.Stop()
			require.NoError(t, p.terminal.(io.Closer).Close())
			synctest.Wait()
			require.Equal(t, "\nstopping; press Ctrl-C again to stop at once\n", p.report)
		})
	}
}

// A terminal that is paused by Ctrl-S takes no output.
func TestAPausedTerminalDoesNotKeepTheProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, in := io.Pipe() // without a reader
		p := &signalled{Signals: &Signals{received: make(chan os.Signal, 4), terminal: in, ended: make(chan struct{})}}
		p.exit = func(code int) { p.exits = append(p.exits, code) }
		_, cancel := context.WithCancel(t.Context())
		go p.watch(cancel)
		p.received <- os.Interrupt
		time.Sleep(sameKeypress)
		p.received <- os.Interrupt
		synctest.Wait()
		require.Equal(t, []int{130}, p.exits)
		p.Stop()
		require.NoError(t, in.Close())
	})
}

package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// hangups receives SIGHUP. An operator sends it for a reload. A terminal sends it too,
// when it closes: the program must then end, or it would go on unseen.
type hangups struct {
	received    chan os.Signal
	hasTerminal func() bool
	hadTerminal bool
}

// listenForHangups receives the signal also if it was ignored when the program started, as
// nohup does it. A terminal that closes then ends nothing.
func listenForHangups() hangups {
	h := hangups{received: make(chan os.Signal, 1), hasTerminal: hasTerminal}
	h.hadTerminal = !signal.Ignored(syscall.SIGHUP) && hasTerminal()
	signal.Notify(h.received, syscall.SIGHUP)
	return h
}

func (h *hangups) stop() {
	if h.received != nil {
		signal.Stop(h.received)
	}
}

// terminalClosed reports whether the terminal of this program has gone.
func (h *hangups) terminalClosed() bool { return h.hadTerminal && !h.hasTerminal() }

// hasTerminal reports whether this program has a controlling terminal.
func hasTerminal() bool {
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = terminal.Close()
	return true
}

// OnHangup calls reload with every SIGHUP until ctx ends. It returns true early if the
// terminal closes.
func OnHangup(ctx context.Context, reload func()) (closed bool) {
	h := listenForHangups()
	defer h.stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-h.received:
			if h.terminalClosed() {
				return true
			}
			reload()
		}
	}
}

// wait returns when ctx ends, the terminal closes or a service fails, with its error. It
// reloads with every other SIGHUP.
func (s *System) wait(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case <-s.hangups.received:
			if s.hangups.terminalClosed() {
				return nil
			}
			s.Reload(ctx)
		}
	}
}

// Reload makes every service read its files again: its certificate, and what its own
// Reload reads. A service that cannot goes on as before and logs why.
func (s *System) Reload(ctx context.Context) {
	for _, m := range s.services {
		reloads := m.reloads()
		if len(reloads) == 0 {
			s.logOf(m).InfoContext(ctx, "nothing to reload: this service reads no file again")
		}
		for _, reload := range reloads {
			if err := reload(ctx); err != nil {
				s.logOf(m).WarnContext(ctx, "reload failed; the service goes on as before", "error", err)
			}
		}
	}
}

// reloads returns what a reload of the service calls.
func (m *runningService) reloads() (all []func(context.Context) error) {
	if m.tls != nil {
		all = append(all, func(context.Context) error { return m.tls.reload() })
	}
	if reload := m.instance.Components.Reload; reload != nil {
		all = append(all, reload)
	}
	return all
}

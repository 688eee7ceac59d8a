package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sameKeypress is how soon after the first signal another one is the same: some terminals
// and some parents of a process send it twice.
const sameKeypress = 500 * time.Millisecond

// Signals owns the signals that end a program. The first SIGINT or SIGTERM ends a context,
// so that the program stops in an orderly way; the second ends the program at once.
type Signals struct {
	received chan os.Signal
	terminal io.Writer // the terminal to which the first signal is reported; nil if there is none
	exit     func(code int)
	ended    chan struct{}

	mu   sync.Mutex
	last []func() // called before the program ends at once
}

// HandleSignals returns a context that ends with the first SIGINT or SIGTERM. It is called
// once, by main, which calls Stop at its end. A reader of the output that has gone does not end
// the program (SIGPIPE): the write fails.
func HandleSignals() (context.Context, *Signals) {
	signal.Ignore(syscall.SIGPIPE)
	s := &Signals{received: make(chan os.Signal, 4), exit: os.Exit, ended: make(chan struct{})}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		s.terminal = os.Stderr
	}
	ctx, cancel := context.WithCancel(context.Background())
	signal.Notify(s.received, os.Interrupt, syscall.SIGTERM)
	go s.watch(cancel)
	return ctx, s
}

// BeforeExit adds a function that is called before the program ends at once. It must not
// wait for anything.
func (s *Signals) BeforeExit(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = append(s.last, f)
}

// Stop ends the handling of signals: a further one has its usual effect.
func (s *Signals) Stop() {
	signal.Stop(s.received)
	close(s.ended)
}

// watch waits for the signals. The report is written in the background, because a terminal
// that is paused takes none.
func (s *Signals) watch(cancel context.CancelFunc) {
	defer cancel()
	select {
	case <-s.received:
	case <-s.ended:
		return
	}
	cancel()
	first := time.Now()
	if s.terminal != nil {
		go func() { _, _ = fmt.Fprintln(s.terminal, "\nstopping; press Ctrl-C again to stop at once") }()
	}
	for {
		select {
		case next := <-s.received:
			if time.Since(first) >= sameKeypress {
				s.exitAtOnce(next)
			}
		case <-s.ended:
			return
		}
	}
}

// exitAtOnce ends the program with the code by which a shell knows the signal.
func (s *Signals) exitAtOnce(received os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.last {
		f()
	}
	number, _ := received.(syscall.Signal)
	s.exit(128 + int(number))
}

package balance

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"
)

// Health is the active health check: a GET that each target must answer with a status
// below 400. A zero field means its default.
type Health struct {
	Path     string        // "/readyz"; empty: no check
	Interval time.Duration // 2 s
	Timeout  time.Duration // 1 s
	Up       int           // successes in a row until an unhealthy target is used again, 2
	Down     int           // failures in a row until a target is unhealthy, 3
}

func (h Health) withDefaults() Health {
	h.Interval = cmp.Or(h.Interval, 2*time.Second)
	h.Timeout = cmp.Or(h.Timeout, time.Second)
	h.Up = cmp.Or(h.Up, 2)
	h.Down = cmp.Or(h.Down, 3)
	return h
}

// mostChecks is the most health checks of one upstream at a time.
const mostChecks = 16

// Step looks up the names and checks the targets that are due. It returns 0 and no error:
// what fails is the state of a target.
func (b *Balancer) Step(ctx context.Context) (int, error) {
	b.resolve(ctx)
	var group errgroup.Group
	group.SetLimit(mostChecks)
	for _, t := range b.dueChecks() {
		group.Go(func() error {
			b.checked(t, b.check(ctx, t))
			return nil
		})
	}
	return 0, group.Wait()
}

// dueChecks returns the targets to check now. An only target is not checked, because it
// is used whatever its health.
func (b *Balancer) dueChecks() (due []*Target) {
	now := b.config.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.pool.Load().all
	if b.config.Health.Path == "" || len(all) < 2 {
		return nil
	}
	for _, t := range all {
		if !now.Before(t.checkDue) {
			t.checkDue = now.Add(b.config.Health.Interval)
			due = append(due, t)
		}
	}
	return due
}

// result is that of a health check.
type result uint8

const (
	failed result = iota
	passed
	stops // it failed, and the target ended the connection, as one does that is about to stop
)

// check returns how a target did in a health check.
func (b *Balancer) check(ctx context.Context, t *Target) result {
	ctx, cancel := context.WithTimeout(ctx, b.config.Health.Timeout)
	defer cancel()
	u := &url.URL{Scheme: t.Scheme, Host: t.Address, Path: b.config.Health.Path}
	r := (&http.Request{Method: http.MethodGet, URL: u, Host: t.Host, Header: http.Header{}}).WithContext(ctx)
	res, err := b.config.Transport.RoundTrip(r)
	if err != nil {
		return failed
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
	_ = res.Body.Close() // the response is complete or useless
	switch {
	case err == nil && res.StatusCode < http.StatusBadRequest:
		return passed
	case res.Close:
		return stops
	}
	return failed
}

// checked records the result of a health check.
func (b *Balancer) checked(t *Target, r result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if (r == passed) != t.unhealthy {
		t.checks = 0
		return
	}
	if t.checks++; t.checks < b.needed(r) {
		return
	}
	t.unhealthy, t.checks = r != passed, 0
	if r == passed {
		t.ejectedUntil = time.Time{} // it has answered several times
	}
	b.config.Log.Warn("the health of a target changed", "upstream", b.config.Name, "target", t.Address, "healthy", r == passed)
	b.rebuild()
}

// needed returns how many such results in a row change the health of a target.
func (b *Balancer) needed(r result) int {
	switch r {
	case passed:
		return b.config.Health.Up
	case stops:
		return 1
	case failed:
	}
	return b.config.Health.Down
}

package balance_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"troupe/services/gateway/internal/balance"
)

// testBalancer is a balancer with a clock, a DNS and replicas that a test controls.
type testBalancer struct {
	*balance.Balancer
	registry *prometheus.Registry

	mu        sync.Mutex
	now       time.Time
	addresses map[string][]string // by host name
	sick      map[string]bool     // by address and port
	stopping  map[string]bool     // as a server that is sick because it stops
	woken     int
	checks    []string
}

func (f *testBalancer) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *testBalancer) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *testBalancer) lookup(_ context.Context, host string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.addresses[host] == nil {
		return nil, errors.New("no such host")
	}
	return slices.Clone(f.addresses[host]), nil
}

// RoundTrip answers a health check.
func (f *testBalancer) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checks = append(f.checks, r.URL.String())
	status, stops := http.StatusOK, f.stopping[r.URL.Host]
	if f.sick[r.URL.Host] || stops {
		status = http.StatusServiceUnavailable
	}
	return &http.Response{StatusCode: status, Close: stops, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

// newBalancer returns a balancer over these base URLs.
func newBalancer(t testing.TB, change func(*balance.Config), bases ...string) *testBalancer {
	t.Helper()
	f := &testBalancer{
		now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), registry: prometheus.NewRegistry(),
		addresses: map[string][]string{}, sick: map[string]bool{}, stopping: map[string]bool{},
	}
	c := balance.Config{
		Name: "orders", Lookup: f.lookup, Transport: f, Now: f.Now, Wake: func() { f.woken++ }, Log: slog.New(slog.DiscardHandler), Registry: f.registry,
	}
	for _, base := range bases {
		u, err := url.Parse(base)
		require.NoError(t, err)
		c.Targets = append(c.Targets, u)
	}
	if change != nil {
		change(&c)
	}
	f.Balancer = balance.New(c)
	return f
}

func (f *testBalancer) step(t *testing.T) {
	t.Helper()
	_, err := f.Step(t.Context())
	require.NoError(t, err)
}

// used returns the addresses that requests go to, sorted.
func (f *testBalancer) used() []string {
	found := map[string]bool{}
	var held []*balance.Target
	for range 100 {
		target := f.Pick(nil)
		held = append(held, target)
		found[target.Address] = true
	}
	for _, target := range held {
		f.Done(target)
	}
	var all []string
	for address := range found {
		all = append(all, address)
	}
	slices.Sort(all)
	return all
}

// at returns the target with this address.
func (f *testBalancer) at(t *testing.T, address string) *balance.Target {
	t.Helper()
	for range 1000 {
		target := f.Pick(nil)
		f.Done(target)
		if target.Address == address {
			return target
		}
	}
	require.Fail(t, "never picked: "+address)
	return nil
}

func (f *testBalancer) fail(t *testing.T, address string, times int) {
	t.Helper()
	target := f.at(t, address)
	for range times {
		f.Failed(target)
	}
}

func (f *testBalancer) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := f.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if family.GetName() == name && !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(have, l) }) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

const (
	a = "10.0.0.1:80"
	b = "10.0.0.2:80"
	c = "10.0.0.3:80"
)

func TestRequestsGoToTheLessBusyOfTwoTargets(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://10.0.0.1", "http://10.0.0.2")
	counts := map[string]int{}
	for range 1000 { // none ends
		counts[f.Pick(nil).Address]++
	}
	require.Equal(t, map[string]int{a: 500, b: 500}, counts)
}

func TestTargetsOfEqualLoadGetEqualShares(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3")
	counts := map[string]int{}
	for range 9000 {
		target := f.Pick(nil)
		counts[target.Address]++
		f.Done(target)
	}
	for _, address := range []string{a, b, c} {
		require.InDelta(t, 3000, counts[address], 300)
		require.InDelta(t, counts[address], f.metric(t, "troupe_gateway_upstream_picks_total", address), 0)
	}
}

func TestARetryGoesToATargetThatWasNotTried(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3")
	for range 100 {
		var tried []*balance.Target
		for i := range 3 {
			require.True(t, f.HasOther(tried))
			tried = append(tried, f.Pick(tried))
			require.NotContains(t, tried[:i], tried[i])
		}
		require.False(t, f.HasOther(tried))
		f.Done(f.Pick(tried)) // any of them
		for _, target := range tried {
			f.Done(target)
		}
	}
}

func TestATargetThatKeepsFailingIsEjectedForAWhile(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://10.0.0.1", "http://10.0.0.2")
	f.fail(t, a, 4)
	require.Equal(t, []string{a, b}, f.used())
	f.fail(t, a, 1)
	require.Equal(t, []string{b}, f.used())
	require.InDelta(t, 1, f.metric(t, "troupe_gateway_upstream_targets", "ejected"), 0)
	require.InDelta(t, 1, f.metric(t, "troupe_gateway_upstream_ejections_total"), 0)
	for _, lasts := range []time.Duration{5, 10, 20, 40, 60, 60} {
		f.advance(lasts*time.Second - 1)
		require.Equal(t, []string{b}, f.used(), lasts)
		f.advance(1)
		require.Equal(t, []string{a, b}, f.used(), lasts)
		f.fail(t, a, 1) // one failure is enough now
	}
	f.advance(time.Minute)
	f.Succeeded(f.at(t, a))
	f.fail(t, a, 4)
	require.Equal(t, []string{a, b}, f.used(), "a success counts it among the healthy again")
	f.fail(t, a, 1)
	f.advance(5 * time.Second)
	require.Equal(t, []string{a, b}, f.used(), "and the next ejection is short again")
}

func TestFailuresWithSuccessesInBetweenEjectNothing(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://10.0.0.1", "http://10.0.0.2")
	target := f.at(t, a)
	for range 100 {
		for range 4 {
			f.Failed(target)
		}
		f.Succeeded(target)
	}
	require.Equal(t, []string{a, b}, f.used())
}

func TestAllTargetsAreUsedIfMostAreSick(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3")
	f.fail(t, a, 5)
	require.Equal(t, []string{b, c}, f.used())
	f.fail(t, b, 5)
	require.Equal(t, []string{a, b, c}, f.used())
	f.advance(5 * time.Second)
	f.Succeeded(f.at(t, a))
	f.fail(t, b, 1)
	require.Equal(t, []string{a, c}, f.used())

	only := newBalancer(t, nil, "http://10.0.0.1")
	only.fail(t, a, 50)
	require.Equal(t, []string{a}, only.used(), "an only target is always used")
}

func TestANameIsFollowedAsItsAddressesChange(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://orders")
	require.Equal(t, []string{"orders:80"}, f.used(), "the name itself until it was looked up")
	f.step(t)
	require.Equal(t, []string{"orders:80"}, f.used(), "and while the look-up fails")

	f.addresses["orders"] = []string{"10.0.0.2", "10.0.0.1"}
	f.advance(5 * time.Second)
	f.step(t)
	require.Equal(t, []string{a, b}, f.used())
	require.Equal(t, "orders", f.at(t, a).Host, "requests keep the name")

	f.fail(t, a, 5)
	f.addresses["orders"] = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
	f.step(t)
	require.Equal(t, []string{b, c}, f.used(), "what fails is looked up at once, and keeps its state")

	f.addresses["orders"] = []string{"10.0.0.3"}
	f.step(t)
	require.Equal(t, []string{b, c}, f.used(), "not yet due")
	f.advance(5 * time.Second)
	f.step(t)
	require.Equal(t, []string{c}, f.used())
	require.InDelta(t, -1, f.metric(t, "troupe_gateway_upstream_picks_total", b), 0, "no series of a target that is gone")

	delete(f.addresses, "orders")
	f.advance(5 * time.Second)
	f.step(t)
	require.Equal(t, []string{c}, f.used(), "a DNS that fails takes nothing away")
}

func TestTargetsAreLookedUpAndCheckedAtOnceWhenOneLeaves(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, func(c *balance.Config) { c.Health.Path = "/readyz" }, "http://orders")
	f.addresses["orders"] = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
	f.step(t)
	checks := len(f.checks)
	f.addresses["orders"] = []string{"10.0.0.1", "10.0.0.2"}
	f.step(t)
	require.Len(t, f.checks, checks)
	f.Leaving()
	f.Leaving()
	require.Equal(t, 1, f.woken, "some servers end every connection")
	f.step(t)
	require.Equal(t, []string{a, b}, f.used())
	require.ElementsMatch(t, []string{"http://10.0.0.1:80/readyz", "http://10.0.0.2:80/readyz"}, f.checks[checks:])
}

// A server that was restarted may still count as sick, or may not be known at all, when the
// one that was used meanwhile stops.
func TestARequestThatIsRefusedFindsWhatElseThereIs(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://orders")
	f.addresses["orders"] = []string{"10.0.0.1"}
	f.step(t)
	first := f.at(t, a)
	require.False(t, f.FindOther(t.Context(), []*balance.Target{first}))
	f.addresses["orders"] = []string{"10.0.0.1", "10.0.0.2"}
	require.False(t, f.FindOther(t.Context(), []*balance.Target{first}), "it was just looked up for another request")
	f.advance(100 * time.Millisecond)
	require.True(t, f.FindOther(t.Context(), []*balance.Target{first}))
	second := f.Pick([]*balance.Target{first})
	require.Equal(t, b, second.Address)
	f.Done(second)

	f.fail(t, b, 5)
	require.Equal(t, []string{a}, f.used())
	require.True(t, f.FindOther(t.Context(), []*balance.Target{first}))
	require.Equal(t, second, f.Pick([]*balance.Target{first}), "a sick one rather than the same again")
	require.False(t, f.FindOther(t.Context(), []*balance.Target{first, second}))
	require.Equal(t, first, f.Pick([]*balance.Target{first, second}))
}

func TestATargetThatStopsIsNotUsedAfterOneHealthCheck(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, func(c *balance.Config) { c.Health.Path = "/readyz" }, "http://10.0.0.1", "http://10.0.0.2")
	f.stopping[a] = true
	f.step(t)
	require.Equal(t, []string{b}, f.used())
	delete(f.stopping, a) // it has started again
	f.stopping[b] = true
	for range 2 {
		f.Leaving()
		f.step(t)
	}
	require.Equal(t, []string{a}, f.used())
}

func TestAddressesAndNamesOfOneServerAreNotLookedUp(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, nil, "http://localhost:8002", "http://[2001:db8::1]:8002", "https://orders:8443", "http://127.0.0.1")
	for _, host := range []string{"localhost", "2001:db8::1", "orders", "127.0.0.1"} {
		f.addresses[host] = []string{"10.0.0.9"}
	}
	f.step(t)
	require.Equal(t, []string{"127.0.0.1:80", "[2001:db8::1]:8002", "localhost:8002", "orders:8443"}, f.used())
}

func TestATargetThatFailsItsHealthCheckIsNotUsed(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, func(c *balance.Config) { c.Health.Path = "/readyz" }, "http://10.0.0.1", "http://10.0.0.2")
	f.sick[a] = true
	for range 2 {
		f.step(t)
		f.step(t) // not due
		f.advance(2 * time.Second)
	}
	require.Len(t, f.checks, 4)
	require.Contains(t, f.checks, "http://10.0.0.1:80/readyz")
	require.Equal(t, []string{a, b}, f.used(), "two failures are not enough")
	f.step(t)
	require.Equal(t, []string{b}, f.used())
	require.InDelta(t, 1, f.metric(t, "troupe_gateway_upstream_targets", "unhealthy"), 0)

	delete(f.sick, a)
	f.advance(2 * time.Second)
	f.step(t)
	require.Equal(t, []string{b}, f.used(), "one success is not enough")
	f.advance(2 * time.Second)
	f.step(t)
	require.Equal(t, []string{a, b}, f.used())
}

func TestAnOnlyTargetIsNotChecked(t *testing.T) {
	t.Parallel()
	f := newBalancer(t, func(c *balance.Config) { c.Health.Path = "/readyz" }, "http://10.0.0.1")
	f.step(t)
	require.Empty(t, f.checks)
}

func TestAPickAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts what the whole process allocates
	f := newBalancer(t, nil, "http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3")
	f.fail(t, a, 5) // so that the clock is read
	tried := []*balance.Target{f.at(t, b)}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		target := f.Pick(nil)
		f.Succeeded(target)
		f.Done(target)
		f.Done(f.Pick(tried))
	}))
}

func BenchmarkPick(bench *testing.B) {
	f := newBalancer(bench, nil, "http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3")
	bench.ReportAllocs()
	for bench.Loop() {
		target := f.Pick(nil)
		f.Succeeded(target)
		f.Done(target)
	}
}

package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

func writeFile(t *testing.T, file, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// look lets the gateway look at its file once, as it does every second.
func (w *gatewayTest) look(t *testing.T) {
	t.Helper()
	for _, worker := range w.instance.Components.Workers {
		if worker.Name == "gateway configuration" {
			_, err := worker.Step(t.Context())
			require.NoError(t, err)
		}
	}
}

const onlyOrders = "routes: [{path: /orders, methods: [GET], upstream: orders, access: public}]"

func TestAChangedFileIsUsed(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, "extends: default")
	w.call(t, "", "GET", "/orders", "").problem(t, 401, "token_missing")
	writeFile(t, file, onlyOrders)
	w.look(t)
	w.call(t, "", "GET", "/orders", "").problem(t, 401, "token_missing") // it may still be being written
	w.look(t)
	w.call(t, "", "GET", "/orders", "").received(t)
	require.Equal(t, "1", w.metric(t, `troupe_gateway_config_reloads_total{result="accepted"}`))
	w.look(t)
	require.Equal(t, "1", w.metric(t, `troupe_gateway_config_reloads_total{result="accepted"}`), "unchanged, so not again")
}

// An editor writes the file in parts, and each of them is a valid file.
func TestHalfAFileIsNotUsed(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, "extends: default")
	for _, part := range []string{
		"routes:\n- {path: /a, upstream: users, access: public}\n", "routes:\n- {path: /a, upstream: users, access: public}\n- {path: /b, upstream: users, access: public}\n",
	} {
		writeFile(t, file, part)
		w.look(t)
		require.Equal(t, 200, w.call(t, auth.User, "GET", "/orders", "").StatusCode)
	}
	w.look(t)
	w.call(t, "", "GET", "/a", "").received(t)
	w.call(t, "", "GET", "/b", "").received(t)
}

func TestABadFileKeepsTheOneBefore(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, onlyOrders)
	for i, bad := range []string{"routes: [", "extends: nothing", ""} {
		writeFile(t, file, bad)
		w.look(t)
		w.look(t)
		w.look(t)
		w.call(t, "", "GET", "/orders", "").received(t)
		require.Equal(t, "0", w.metric(t, "troupe_gateway_config_valid"))
		require.Equal(t, fmt.Sprint(i+1), w.metric(t, `troupe_gateway_config_reloads_total{result="refused"}`), "counted once")
	}
	require.Error(t, w.instance.Components.Reload(t.Context()))
	writeFile(t, file, onlyOrders)
	w.look(t)
	w.look(t)
	require.Equal(t, "1", w.metric(t, "troupe_gateway_config_valid"))
}

func TestAFileThatIsGoneKeepsTheOneBefore(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, onlyOrders)
	require.NoError(t, os.Remove(file))
	w.look(t)
	w.look(t)
	w.call(t, "", "GET", "/orders", "").received(t)
	require.Equal(t, "0", w.metric(t, "troupe_gateway_config_valid"))
	require.Equal(t, "1", w.metric(t, `troupe_gateway_config_reloads_total{result="refused"}`), "counted once")
	require.ErrorContains(t, w.instance.Components.Reload(t.Context()), "no such file")
	writeFile(t, file, onlyOrders)
	w.look(t)
	w.look(t)
	require.Equal(t, "1", w.metric(t, "troupe_gateway_config_valid"))
}

func TestWithoutAFileThereIsNothingToReload(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	require.NoError(t, w.instance.Components.Reload(t.Context()))
	require.Equal(t, "1", w.metric(t, "troupe_gateway_config_valid"))
}

// A change of one upstream must not close the circuit of another.
func TestAnUnchangedUpstreamKeepsItsBreaker(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, "extends: default")
	for _, name := range []string{"orders", "payments"} {
		w.services[name].respondWith(500)
	}
	for range 20 {
		w.call(t, auth.User, "GET", "/orders", "")
		w.call(t, auth.User, "GET", "/payments", "")
	}
	w.call(t, auth.User, "GET", "/orders", "").problem(t, 503, "circuit_open")
	w.reload(t, file, "extends: default\nupstreams:\n  payments: {in_flight: 7}\n")
	w.call(t, auth.User, "GET", "/orders", "").problem(t, 503, "circuit_open")
	require.Equal(t, 500, w.call(t, auth.User, "GET", "/payments", "").StatusCode, "the changed one starts anew")
	require.Equal(t, "1", w.metric(t, `troupe_gateway_breaker_state{upstream="orders"}`))
	require.Equal(t, "0", w.metric(t, `troupe_gateway_breaker_state{upstream="payments"}`))
	w.reload(t, file, onlyOrders)
	require.Equal(t, "1", w.metric(t, `troupe_gateway_breaker_state{upstream="orders"}`))
	require.Empty(t, w.metric(t, `troupe_gateway_breaker_state{upstream="payments"}`), "its metrics went with it")
}

func TestARequestThatHasBegunGoesOnWithItsRoute(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, onlyOrders)
	entered, release := make(chan struct{}), make(chan struct{})
	w.services["orders"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		echo("orders")(rw, r)
	})
	answered := make(chan string, 1)
	go func() { answered <- w.call(t, "", "GET", "/orders", "").received(t).Service }()
	<-entered
	w.reload(t, file, "routes: [{path: /users, upstream: users, access: public}]")
	w.call(t, "", "GET", "/orders", "").problem(t, 404, "route_not_found")
	close(release)
	require.Equal(t, "orders", <-answered)
}

// The file alternates between two configurations, whose upstreams all differ, while
// customers read: no request may fail, and nothing may pile up.
func TestReloadsDropNoRequest(t *testing.T) { //nolint:paralleltest // it measures the whole process
	w, file := startRouting(t, "extends: default")
	versions := []string{
		"extends: default\nupstreams: {orders: {in_flight: 100}, inventory: {in_flight: 100}, users: {in_flight: 100}}",
		"extends: default\nupstreams: {orders: {in_flight: 101}, inventory: {in_flight: 101}}\nroutes: [{path: /extra, upstream: users, access: public}]",
	}
	w.reload(t, file, versions[0])
	ctx, stop := context.WithCancel(t.Context())
	var customers sync.WaitGroup
	var served atomic.Int64
	for range 8 {
		customers.Go(func() {
			for ctx.Err() == nil {
				served.Add(1)
				if got := w.call(t, "", "GET", "/products", ""); got.StatusCode != 200 {
					t.Errorf("status %d: %s", got.StatusCode, got.body)
				}
			}
		})
	}
	var before, after usage
	for i := range 100 {
		if i == 10 {
			before = measureUsage()
		}
		w.reload(t, file, versions[i%2])
		for reached := served.Load() + 8; served.Load() < reached; {
			runtime.Gosched()
		}
	}
	after = measureUsage()
	stop()
	customers.Wait()
	require.Equal(t, "101", w.metric(t, `troupe_gateway_config_reloads_total{result="accepted"}`))
	require.Less(t, after.goroutines, before.goroutines+32)
	logged := uint64(served.Load()) << 10 // the test keeps a line of the log for each request
	require.Less(t, after.heap, before.heap+8<<20+logged)
	t.Logf("%d requests during 100 reloads; heap %d -> %d KiB, goroutines %d -> %d",
		served.Load(), before.heap>>10, after.heap>>10, before.goroutines, after.goroutines)
}

type usage struct {
	heap       uint64
	goroutines int
}

func measureUsage() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{m.HeapAlloc, runtime.NumGoroutine()}
}

// A Worker looks at the file by itself.
func TestTheFileIsWatched(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, "extends: default")
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	for _, worker := range w.instance.Components.Workers {
		watching.Go(func() { worker.Run(ctx, w.instance.Env.Log) })
	}
	writeFile(t, file, onlyOrders)
	require.Eventually(t, func() bool { return w.call(t, "", "GET", "/orders", "").StatusCode == 200 }, 20*time.Second, 10*time.Millisecond)
	stop()
	watching.Wait()
}

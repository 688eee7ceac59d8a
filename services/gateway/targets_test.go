package gateway_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// startReplicated runs a gateway in front of replicas of orders, on ports of their own.
// more are lines of the upstream's configuration.
func startReplicated(t *testing.T, replicas int, more ...string) (*gatewayTest, []*stubService) {
	t.Helper()
	var all []*stubService
	var urls []string
	for i := range replicas {
		s := play(t, fmt.Sprintf("orders/%d", i))
		all, urls = append(all, s), append(urls, s.URL)
	}
	text := "extends: default\nupstreams:\n  orders:\n    targets: [" + strings.Join(urls, ", ") + "]\n    " + strings.Join(more, "\n    ") + "\n"
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return start(t, map[string]string{"GATEWAY_CONFIG": file}), all
}

// kill ends a replica as a crash does: its port is closed and its connections break.
func (s *stubService) kill() {
	_ = s.Listener.Close()
	s.CloseClientConnections()
}

func TestAKilledTargetCostsNoGet(t *testing.T) {
	t.Parallel()
	w, replicas := startReplicated(t, 2)
	const clients, requests = 8, 100
	halfway := make(chan struct{}, clients*requests)
	var running sync.WaitGroup
	failures := make(chan string, clients*requests)
	for range clients {
		running.Go(func() {
			for range requests {
				if r := w.call(t, auth.User, "GET", "/orders", ""); r.StatusCode != 200 {
					failures <- fmt.Sprintf("%d %s", r.StatusCode, r.body)
				}
				halfway <- struct{}{}
			}
		})
	}
	for range clients * requests / 2 {
		<-halfway
	}
	require.NotZero(t, replicas[0].calls.Load())
	replicas[0].kill()
	running.Wait()
	close(failures)
	for f := range failures {
		require.Fail(t, "a GET failed", f)
	}
	require.Equal(t, "CLOSED", w.breaker(t, "orders"))
	require.Equal(t, "1", w.metric(t, `troupe_gateway_upstream_targets{state="ejected",upstream="orders"}`))
}

func TestWithoutTargetsThatAnswerTheCircuitOpens(t *testing.T) {
	t.Parallel()
	w, replicas := startReplicated(t, 3)
	for _, r := range replicas {
		r.kill()
	}
	for range 9 {
		w.call(t, auth.User, "GET", "/orders", "").problem(t, 503, "upstream_unreachable")
	}
	w.call(t, auth.User, "GET", "/orders", "")
	require.Equal(t, "OPEN", w.breaker(t, "orders"))
}

func TestWhatOneTargetShedsAnotherTakes(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{
		`{"code":"not_ready"}`:         200,
		`{"code":"orders_overloaded"}`: 503, // all of the service is, so no other target would do better
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			w, replicas := startReplicated(t, 2)
			replicas[0].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Retry-After", "1")
				rw.WriteHeader(503)
				_, _ = rw.Write([]byte(body))
			})
			for range 10 {
				if r := w.call(t, auth.User, "GET", "/orders", ""); r.StatusCode != 200 {
					require.Equal(t, status, r.StatusCode)
				}
			}
			require.NotZero(t, replicas[0].calls.Load(), "shedding is no sickness: it is asked again")
			require.Equal(t, "2", w.metric(t, `troupe_gateway_upstream_targets{state="healthy",upstream="orders"}`))
		})
	}
}

func TestATargetThatIsNotReadyGetsNoRequests(t *testing.T) {
	t.Parallel()
	w, replicas := startReplicated(t, 2, "health: {path: /readyz, interval: 1s, down: 1, up: 1}")
	replicas[0].respondWith(500)
	w.watchTargets(t)
	before := replicas[0].calls.Load()
	for range 20 {
		w.call(t, auth.User, "GET", "/orders", "").received(t)
	}
	require.Equal(t, before, replicas[0].calls.Load())
	replicas[0].setHandler(echo("orders/0"))
	w.clock.advance(time.Second)
	w.watchTargets(t)
	for range 50 {
		w.call(t, auth.User, "GET", "/orders", "").received(t)
	}
	require.Greater(t, replicas[0].calls.Load(), before+5)
}

// Each of two replicas is restarted, the second as soon as the first serves again, which
// the gateway has not noticed yet.
func TestARestartOfOneTargetAfterTheOtherFailsNoRequest(t *testing.T) {
	t.Parallel()
	w, replicas := startReplicated(t, 2, "health: {path: /readyz, down: 1}")
	replicas[0].respondWith(500)
	w.watchTargets(t)
	require.Equal(t, "1", w.metric(t, `troupe_gateway_upstream_targets{state="unhealthy",upstream="orders"}`))
	replicas[0].setHandler(echo("orders/0"))
	replicas[1].kill()
	for range 20 {
		require.Equal(t, 200, w.call(t, auth.User, "GET", "/orders", "").StatusCode)
	}
	require.Equal(t, "CLOSED", w.breaker(t, "orders"))
}

// watchTargets does one step of the worker that looks after the targets.
func (w *gatewayTest) watchTargets(t *testing.T) {
	t.Helper()
	for _, worker := range w.instance.Workers {
		if worker.Name == "gateway targets" {
			_, err := worker.Step(t.Context())
			require.NoError(t, err)
			return
		}
	}
	require.Fail(t, "there is no such worker")
}

func TestAnAdaptiveLimitLearnsFromTheService(t *testing.T) {
	t.Parallel()
	const limit = `troupe_gateway_upstream_limit{upstream="orders"}`
	fixed, _ := startReplicated(t, 1)
	require.Equal(t, "256", fixed.metric(t, limit))

	w, replicas := startReplicated(t, 1, "adaptive: true")
	require.Equal(t, "10", w.metric(t, limit), "half of 20 while it learns how long a request takes")
	replicas[0].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		w.clock.advance(20 * time.Millisecond)
		if r.Method == "POST" {
			rw.Header().Set("Retry-After", "1")
			rw.WriteHeader(503)
		}
	})
	for range 50 {
		w.call(t, auth.User, "GET", "/orders", "")
	}
	require.Equal(t, "20", w.metric(t, limit))
	w.call(t, auth.User, "POST", "/orders", "{}")
	require.Equal(t, "18", w.metric(t, limit), "the service has said that it is too much")
}

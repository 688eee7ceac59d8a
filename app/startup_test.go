package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func get(d http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return w
}

var teapot = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func TestAServiceThatIsStartingIsLiveButNotReady(t *testing.T) {
	t.Parallel()
	d := newStartupHandler()
	require.Equal(t, http.StatusOK, get(d, "/livez").Code)
	for _, path := range []string{"/readyz", "/health", "/metrics"} {
		require.Equal(t, http.StatusServiceUnavailable, get(d, path).Code, path)
	}
	d.open(teapot)
	for _, path := range []string{"/livez", "/readyz", "/orders"} {
		require.Equal(t, http.StatusTeapot, get(d, path).Code, path)
	}
}

func TestARequestWaitsForAServiceThatStartsSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newStartupHandler()
		time.AfterFunc(time.Second, func() { d.open(teapot) })
		began := time.Now()
		require.Equal(t, http.StatusTeapot, get(d, "/orders").Code)
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestARequestIsRefusedWithRetryAfterIfTheStartTakesLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := get(newStartupHandler(), "/orders")
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Contains(t, w.Body.String(), `"code":"not_ready"`)
		require.Equal(t, startupWait, time.Since(began))
	})
}

// The start waits for a database that is unreachable. Meanwhile the process must be
// seen to be live.
func TestAProcessThatWaitsForItsDatabaseIsLive(t *testing.T) {
	t.Parallel()
	c := config(t, publisher(t, nil, nil))
	c.Environ["DATABASE_URL"] = "postgres://nobody:none@127.0.0.1:1/nothing?connect_timeout=1"
	c.Environ["AMQP_URL"] = "amqp://127.0.0.1:1/"
	bound := make(chan string, 1)
	c.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
		l, err := (&net.ListenConfig{}).Listen(ctx, network, address)
		if err == nil {
			bound <- "http://" + l.Addr().String()
		}
		return l, err
	}
	ctx, giveUp := context.WithCancel(t.Context())
	started := make(chan error, 1)
	go func() {
		_, err := Start(ctx, c)
		started <- err
	}()
	url := <-bound
	require.Equal(t, http.StatusOK, getStatus(t, url+"/livez"))
	require.Equal(t, http.StatusServiceUnavailable, getStatus(t, url+"/readyz"))
	giveUp()
	require.Error(t, <-started)
}

func getStatus(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func TestAWrongBrokerURLIsReportedAndNothingIsLeftRunning(t *testing.T) {
	t.Parallel()
	c := config(t, publisher(t, nil, nil))
	c.Environ["AMQP_URL"] = "http://127.0.0.1:5672/"
	_, err := Start(t.Context(), c)
	require.ErrorContains(t, err, "AMQP_URL")
}

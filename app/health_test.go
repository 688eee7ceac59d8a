package app

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthDistinguishesReadyFromNotReady(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	c.Environ["PAYMENTS_LISTEN"] = ":0" // on all addresses, as in a container
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	listens, err := url.Parse(s.URL("payments"))
	require.NoError(t, err)

	for _, address := range []string{":" + listens.Port(), "0.0.0.0:" + listens.Port(), "[::]:" + listens.Port(), "127.0.0.1:" + listens.Port()} {
		var out strings.Builder
		require.NoError(t, Health(t.Context(), &out, map[string]string{"PAYMENTS_LISTEN": address}, c.Services...))
		require.Equal(t, "payments is ready\n", out.String())
	}

	asks := map[string]string{"PAYMENTS_LISTEN": ":" + listens.Port()}
	s.ready.Store(false)
	require.EqualError(t, Health(t.Context(), &strings.Builder{}, asks, c.Services...), "payments is not ready: it reports: starting or stopping")
	require.NoError(t, s.Stop())
	require.ErrorContains(t, Health(t.Context(), &strings.Builder{}, asks, c.Services...), "payments is not ready: ")
}

func TestAServiceWithoutItsBrokerIsDegradedButServes(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	close(release)
	c := config(t, publisher(t, entered, release), Service{Name: "payments", Build: func(Env) (Components, error) {
		return Components{}, nil
	}})
	c.Environ["AMQP_URL"] = "amqp://troupe:secret@127.0.0.1:1/" // no program listens there
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, `{"status":"degraded","reason":"the broker cannot be reached: requests are carried out, and events are published and handled when it is back"}`,
		requireOK(t, s.URL("orders")+"/readyz"))
	require.Equal(t, `{"status":"ready"}`, requireOK(t, s.URL("payments")+"/readyz"), "it has no events")
	require.Equal(t, http.StatusNoContent, post(s.URL("orders")+"/items"))
	require.NoError(t, Health(t.Context(), io.Discard, map[string]string{
		"ORDERS_LISTEN": strings.TrimPrefix(s.URL("orders"), "http://"),
	}, c.Services[0]))
	require.NoError(t, s.Stop())
}

// requireOK returns the body of a response with the status 200.
func requireOK(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	require.Equal(t, http.StatusOK, response.StatusCode)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

func TestAnUnknownCommandIsRefused(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, command(t.Context(), []string{"helth"}, nil, "orders"), `"helth" is not a command: give none to run the service, or health, or version`)
	require.ErrorContains(t, command(t.Context(), []string{"health", "orders"}, nil, "orders"), `"health orders" is not a command`)
}

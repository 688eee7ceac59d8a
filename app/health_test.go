package app

import (
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

func TestAnUnknownCommandIsRefused(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, command(t.Context(), []string{"helth"}, nil, "orders"), `"helth" is not a command: give none to run the service, or health, or version`)
	require.ErrorContains(t, command(t.Context(), []string{"health", "orders"}, nil, "orders"), `"health orders" is not a command`)
}

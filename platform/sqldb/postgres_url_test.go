package sqldb

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheURLCanSetTheSizeOfThePool(t *testing.T) {
	t.Parallel()
	const server = "postgres://orders:own@h/orders"
	for _, c := range []struct {
		url      string
		maxConns int
		want     int32
	}{
		{url: server, want: 16},
		{url: server + "?pool_max_conns=3", want: 3},
		{url: server + "?pool_max_conns=16", want: 16},
		{url: server + "?pool_max_conns=40&sslmode=disable", want: 40},
		{url: server, maxConns: 1, want: 1},
		{url: server + "?pool_max_conns=3", maxConns: 1, want: 1},
	} {
		config, err := parsePostgres(c.url, c.maxConns)
		require.NoError(t, err)
		require.Equal(t, c.want, config.MaxConns, c.url)
		require.NotContains(t, config.ConnConfig.RuntimeParams, "pool_max_conns", "the server does not know this parameter")
	}
	config, err := parsePostgres(server+"?pool_min_conns=2&pool_max_conn_lifetime=5m", 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, config.MinConns)
	require.Equal(t, 5*time.Minute, config.MaxConnLifetime)
}

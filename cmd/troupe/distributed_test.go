package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The services reach one another where they listen, unless NAME_URL is set.
func TestServicesAreReachedWhereTheyListen(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"USERS_LISTEN":     "127.0.0.1:28001",
		"ORDERS_LISTEN":    ":28002",
		"INVENTORY_LISTEN": "[::]:28004",
		"PAYMENTS_LISTEN":  "0.0.0.0:28005",
		"PAYMENTS_URL":     "http://balancer:80",
	}
	require.NoError(t, setPeerURLs(environ))
	for name, want := range map[string]string{
		"GATEWAY_URL":       "http://127.0.0.1:8000",
		"USERS_URL":         "http://127.0.0.1:28001",
		"ORDERS_URL":        "http://127.0.0.1:28002",
		"NOTIFICATIONS_URL": "http://127.0.0.1:8003",
		"INVENTORY_URL":     "http://[::1]:28004",
		"PAYMENTS_URL":      "http://balancer:80",
	} {
		require.Equal(t, want, environ[name], name)
	}
	require.Equal(t, "http://127.0.0.1:28005", localURL(environ)("payments"), "a local URL ignores NAME_URL")
}

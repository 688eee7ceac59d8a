package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/test/cluster"
)

// A secret that was made by `echo password | base64` ends with a line feed
// (kubernetes/kubernetes#23404 and #82327, bitnami/containers#24924).
func TestSecretsThatEndWithALineFeedWork(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]cluster.Kind{"in one process": cluster.OneProcess, "distributed": cluster.Distributed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := program()
			require.NoError(t, err)
			c := cluster.Config{Kind: kind, Program: binary, Settings: []string{
				"USERS_ADMIN_EMAIL=" + cluster.AdminEmail + "\n", "USERS_ADMIN_PASSWORD=" + cluster.AdminPassword + "\r\n",
				"TROUPE_HOSTS=shop.example,\n*.shop.example\n", "ORDERS_DEADLINE=10m\n",
			}}
			if kind == cluster.Distributed {
				c.AMQP, c.Server = rabbittest.URL(t)+"\n", cluster.CreateDatabase(t)+"\n"
			}
			startSystem(t, c) // which signs in
		})
	}
}

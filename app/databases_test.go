package app

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// startedOnce returns the settings of a system that has run and stopped.
func startedOnce(t *testing.T) Config {
	t.Helper()
	c := config(t, publisher(t, nil, nil), consumer(t, &atomic.Int64{}))
	startAndStop(t, c)
	return c
}

func startAndStop(t *testing.T, c Config) {
	t.Helper()
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.Stop())
}

// A copy that failed leaves an empty file, a restore forgets one, and another is taken
// from a different folder. A service that starts empty would have forgotten its customers.
func TestADataFolderThatIsNotCompleteStopsTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(t *testing.T, orders string)
		want   string
	}{
		"missing": {func(t *testing.T, orders string) { require.NoError(t, os.Remove(orders)) }, "orders.db in .* is missing"},
		"empty":   {func(t *testing.T, orders string) { require.NoError(t, os.Truncate(orders, 0)) }, "orders.db in .* is empty"},
		"foreign": {func(t *testing.T, orders string) {
			other := startedOnce(t)
			require.NoError(t, os.Rename(filepath.Join(other.Environ["TROUPE_DATA"], "orders.db"), orders))
		}, "come from different data folders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := startedOnce(t)
			orders := filepath.Join(config.Environ["TROUPE_DATA"], "orders.db")
			c.damage(t, orders)
			for range 2 { // a start that is refused changes nothing
				_, err := Start(t.Context(), config)
				require.Error(t, err)
				require.Regexp(t, c.want, err.Error())
				require.Regexp(t, "restore", err.Error())
			}
		})
	}
}

// The folder of an older version has no marks, and a newer version has more services.
func TestADataFolderTakesInANewService(t *testing.T) {
	t.Parallel()
	c := config(t, publisher(t, nil, nil), consumer(t, &atomic.Int64{}))
	only := c
	only.Services = []Service{{Name: "orders", Migrations: c.Services[0].Migrations, Build: c.Services[0].Build}}
	startAndStop(t, only)
	startAndStop(t, c)
	startAndStop(t, c)
	require.NoError(t, os.Remove(filepath.Join(c.Environ["TROUPE_DATA"], "payments.db")))
	_, err := Start(t.Context(), c)
	require.ErrorContains(t, err, "payments.db")
}

func TestADataFolderMayHaveAnyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"h#x", "q?x", "100%"} {
		c := config(t, publisher(t, nil, nil), consumer(t, &atomic.Int64{}))
		c.Environ["TROUPE_DATA"] = filepath.Join(t.TempDir(), name)
		startAndStop(t, c)
		require.FileExists(t, filepath.Join(c.Environ["TROUPE_DATA"], "orders.db"))
	}
}

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// An admin uses the console in a real browser: signs in by password and by a
// link, places sample orders, follows events as they happen, and goes from the overview to
// the cause of a failure in three clicks.
func TestTheConsoleOfARealSystemInChromium(t *testing.T) {
	t.Parallel()
	scripts := os.Getenv("CONSOLE_SCRIPTS")
	if scripts == "" {
		t.Skip("CONSOLE_SCRIPTS is not set: run scripts/console, which installs Chromium's driver")
	}
	s := startSystem(t, cluster.Config{Kind: cluster.InTest})
	command := exec.CommandContext(t.Context(), "node", filepath.Join(scripts, "system.mjs"))
	command.Env = append(command.Environ(), "CONSOLE="+s.URL("gateway"), "EMAIL="+cluster.AdminEmail, "PASSWORD="+cluster.AdminPassword)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	require.NoError(t, command.Run())
}

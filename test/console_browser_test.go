package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// inChromium runs a script against the console of a system, in a real browser.
func inChromium(t *testing.T, script string, c cluster.Config) {
	t.Helper()
	scripts := os.Getenv("CONSOLE_SCRIPTS")
	if scripts == "" {
		t.Skip("CONSOLE_SCRIPTS is not set: run scripts/console, which installs Chromium's driver")
	}
	s := startSystem(t, c)
	command := exec.CommandContext(t.Context(), "node", filepath.Join(scripts, script))
	command.Env = append(command.Environ(), "CONSOLE="+s.URL("gateway"), "EMAIL="+cluster.AdminEmail, "PASSWORD="+cluster.AdminPassword)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	require.NoError(t, command.Run())
}

// An admin uses the console in a real browser: signs in by password and by a
// link, places sample orders, follows events as they happen, and goes from the overview to
// the cause of a failure in three clicks.
func TestTheConsoleOfARealSystemInChromium(t *testing.T) {
	t.Parallel()
	inChromium(t, "system.mjs", cluster.Config{Kind: cluster.InTest})
}

// An admin causes each fault of the lab in `troupe up` and in a process for each service, finds its
// cause from the overview in at most three clicks, and looks at all that the pages show about the
// system.
func TestEachFaultOfTheLabInChromium(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	settings := []string{"LOG_LEVEL=info", "PAYMENTS_PROVIDER_DELAYS=true"}
	t.Run("in one process", func(t *testing.T) {
		t.Parallel()
		inChromium(t, "lab.mjs", cluster.Config{Kind: cluster.OneProcess, Program: binary, Settings: settings})
	})
	t.Run("in separate processes", func(t *testing.T) {
		t.Parallel()
		inChromium(t, "lab.mjs", cluster.Config{Kind: cluster.ProcessPerService, Program: binary, Accounts: accounts(t), Settings: settings})
	})
}

// A newcomer uses the page of the API: sends the prefilled requests, signs in by the form,
// and finds the authorization there after a reload. The page is legible in both themes, and
// no request leaves its origin.
func TestTheDocsOfARealSystemInChromium(t *testing.T) {
	t.Parallel()
	inChromium(t, "docs.mjs", cluster.Config{Kind: cluster.InTest})
}

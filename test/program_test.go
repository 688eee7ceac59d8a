package test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// installation is a system as its operator has it: the real program, and its commands.
type installation struct {
	*system
	program string
}

// eachInstallation runs a scenario against `troupe up` and `troupe up
// --distributed`, with settings beyond those that every test has.
func eachInstallation(t *testing.T, settings []string, scenario func(t *testing.T, s *installation)) {
	t.Helper()
	t.Parallel()
	for name, kind := range map[string]cluster.Kind{"in one process": cluster.OneProcess, "distributed": cluster.Distributed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := program()
			require.NoError(t, err)
			scenario(t, &installation{
				system:  startSystem(t, cluster.Config{Kind: kind, Program: binary, Settings: settings}),
				program: binary,
			})
		})
	}
}

// troupe runs a command of the operator's, which must succeed, and returns its output.
func (s *installation) troupe(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.program, args...)
	command.Dir = t.TempDir() // for the data folder
	command.Env = append(command.Environ(), "USERS_ADMIN_PASSWORD="+cluster.AdminPassword, "TROUPE_URL="+s.URL("gateway"))
	for _, service := range cluster.Backends() {
		command.Env = append(command.Env, strings.ToUpper(service)+"_URL="+s.URL(service))
	}
	out, err := command.CombinedOutput()
	require.NoError(t, err, "troupe %s: %s", strings.Join(args, " "), out)
	return string(out)
}

package pages_test

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/ascii"
	"troupe/services"
)

// shell runs blocks of commands, so that variables and background jobs last.
type shell struct {
	in  io.Writer
	out *bufio.Reader
}

const (
	endMark = "-- end of block:"
	// longestPage ends a page that waits for something that does not come.
	longestPage = 20 * time.Minute
)

func startShell(t *testing.T, dir string, environ []string) *shell {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash")
	command.Dir = dir
	command.Env = append(os.Environ(), environ...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := command.StdinPipe()
	require.NoError(t, err)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	command.Stdout, command.Stderr = writer, writer
	require.NoError(t, command.Start())
	require.NoError(t, writer.Close())
	tooLong := time.AfterFunc(longestPage, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
	t.Cleanup(func() {
		tooLong.Stop()
		err := syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // with the background jobs of the page
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
		_ = command.Wait() // it was killed
		_ = reader.Close()
	})
	return &shell{in, bufio.NewReader(reader)}
}

// run runs a block and returns what it printed, and whether its last command failed.
func (s *shell) run(t *testing.T, block string) (output string, failed bool) {
	t.Helper()
	_, err := io.WriteString(s.in, block+"\necho \""+endMark+" $?\"\n")
	require.NoError(t, err)
	for {
		line, err := s.out.ReadString('\n')
		require.NoError(t, err, "the shell has ended: %s", output)
		if before, status, found := strings.Cut(line, endMark); found {
			return output + before, strings.TrimSpace(status) != "0"
		}
		output += line
	}
}

// freePorts returns an environment in which every service listens on a free port, and what
// replaces the addresses of the pages. The last port is for a service that a page adds, the
// one before for the monolith.
func freePorts(t *testing.T) (environ []string, addresses *strings.Replacer) {
	t.Helper()
	environ = []string{
		"GOFLAGS=-trimpath", "CGO_ENABLED=0", "TEST_DATABASE_URL=", "TEST_AMQP_URL=", "DATABASE_URL=", "AMQP_URL=", "CI=", "PAGES=", "USERS_PASSWORD_HASH_COST=insecure",
	}
	var replaced []string
	add := func(name, usual string) {
		address := freeAddress(t)
		environ = append(environ, name+"_LISTEN="+address, name+"_URL=http://"+address)
		replaced = append(replaced, "127.0.0.1:"+usual, address)
	}
	highest := 0
	for _, s := range services.All {
		add(ascii.Upper(s.Name), strconv.Itoa(s.Port))
		highest = max(highest, s.Port)
	}
	add("LOYALTY", strconv.Itoa(highest+1))
	add("MONOLITH", "9000")
	environ = append(environ, "TROUPE_URL=http://"+replaced[1])
	return environ, strings.NewReplacer(replaced...)
}

// freeAddress returns an address below the range of ephemeral ports, and of those that the
// tests of the whole system take: between now and its use no other test takes it.
func freeAddress(t *testing.T) string {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(10_000+rand.IntN(10_000)))
		if err == nil {
			require.NoError(t, listener.Close())
			return listener.Addr().String()
		}
	}
}

// slow skips a test that carries out a page, unless it runs in CI or is asked for.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("PAGES") == "" {
		t.Skip("it carries out the page in a copy of the tree, which takes a minute: set PAGES=1; CI runs it")
	}
}

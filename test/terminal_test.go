//go:build linux

package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// openTerminal returns both ends of a new terminal: what the person sees and types, and what
// the program gets.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = person.Close() })
	var number, unlocked int32
	for request, argument := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(argument)))
		require.Zero(t, failed)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return person, program
}

// A person who presses Ctrl-C sees that the program stops, and how to end it at once.
func TestCtrlCIsAnsweredOnATerminal(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	person, terminal := openTerminal(t)
	port, err := cluster.FreePort()
	require.NoError(t, err)
	up := exec.CommandContext(t.Context(), binary, upOnFreePorts(port)...)
	up.Env = append(os.Environ(), "DRAIN_TIMEOUT=10m", "TROUPE_SLOW_CLIENT=10m")
	up.Stdin, up.Stdout, up.Stderr = terminal, terminal, terminal
	up.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, up.Start())
	require.NoError(t, terminal.Close())
	screen := bufio.NewScanner(person)
	sees := func(text string) {
		for screen.Scan() {
			t.Log(screen.Text())
			if strings.Contains(screen.Text(), text) {
				return
			}
		}
		require.Fail(t, "the terminal does not show: "+text)
	}
	sees("Watch it:")
	hang(t, fmt.Sprintf("http://127.0.0.1:%d", port))
	_, err = person.WriteString("\x03")
	require.NoError(t, err)
	sees("stopping; press Ctrl-C again to stop at once")
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }()
	require.Eventually(t, func() bool {
		select {
		case err = <-ended:
			return true
		default:
			_, _ = person.WriteString("\x03") // the terminal may just have gone
			return false
		}
	}, timeout, pollInterval*20)
	require.ErrorContains(t, err, "exit status 130")
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const adminPassword = "bench-admin-password-1"

// system is the program under test, in a process of its own.
type system struct {
	dir     string
	gateway string
	startup time.Duration
	process *exec.Cmd
}

// start builds the program and runs it with a fresh data folder on free ports.
func start(ctx context.Context) (*system, error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return nil, err
	}
	s := &system{dir: dir}
	binary := filepath.Join(dir, "troupe")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/troupe")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	args, err := s.listenAnywhere()
	if err != nil {
		return nil, err
	}
	s.process = exec.CommandContext(ctx, binary, append([]string{"up", "--data", filepath.Join(dir, "data")}, args...)...) //nolint:gosec // the program just built
	s.process.Env = append(os.Environ(), "ADMIN_PASSWORD="+adminPassword)
	s.process.Stderr = os.Stderr
	began := time.Now()
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	if err := s.untilReady(ctx); err != nil {
		s.stop()
		return nil, err
	}
	s.startup = time.Since(began)
	return s, nil
}

// listenAnywhere picks a free port for each service.
func (s *system) listenAnywhere() ([]string, error) {
	var args []string
	for _, name := range []string{"gateway", "users", "orders", "notifications", "inventory", "payments"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // held until all are picked, so that none is picked twice
		port := listener.Addr().(*net.TCPAddr).Port
		if name == "gateway" {
			s.gateway = "http://127.0.0.1:" + strconv.Itoa(port)
		}
		args = append(args, "--port", name+"="+strconv.Itoa(port))
	}
	return args, nil
}

func (s *system) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.gateway+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the system does not become ready")
		}
	}
}

func (s *system) stop() {
	if err := s.process.Process.Signal(syscall.SIGTERM); err == nil {
		_ = s.process.Wait() // how it ends does not change what was measured
	}
	_ = os.RemoveAll(s.dir)
}

// database is where one of its services keeps its state.
func (s *system) database(service string) string {
	return "sqlite://" + filepath.Join(s.dir, "data", service+".db")
}

// memory reads VmRSS (now) or VmHWM (peak) in megabytes.
func (s *system) memory(what string) float64 {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == what+":" {
			kilobytes, _ := strconv.ParseFloat(fields[1], 64)
			return kilobytes / 1024
		}
	}
	return 0
}

// usage is CPU time spent.
type usage struct{ system, load time.Duration }

func (u usage) minus(v usage) usage { return usage{u.system - v.system, u.load - v.load} }

func (s *system) usage() usage {
	return usage{system: cpu(strconv.Itoa(s.process.Process.Pid)), load: cpu("self")}
}

// clockTick is how long one unit of /proc/*/stat is: USER_HZ is 100 on Linux.
const clockTick = 10 * time.Millisecond

// cpu is the user and system time of a process so far (proc(5), fields 14 and 15).
func cpu(pid string) time.Duration {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	kernel, _ := strconv.Atoi(fields[12])
	return time.Duration(user+kernel) * clockTick
}

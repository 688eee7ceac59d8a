package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"troupe/test/process"
)

const adminPassword = "only for measurements"

// system is the program under test, in a process of its own.
type system struct {
	*process.Troupe
	dir     string
	startup time.Duration
}

// start builds the program and runs it with a fresh data folder on free ports.
func start(ctx context.Context) (*system, error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return nil, err
	}
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &system{dir: dir, Troupe: &process.Troupe{
		Binary: binary, Data: filepath.Join(dir, "data"), Env: []string{"ADMIN_PASSWORD=" + adminPassword},
	}}
	began := time.Now()
	err = s.Start(ctx)
	s.startup = time.Since(began)
	return s, err
}

func (s *system) end() {
	_ = s.Stop() // how it ends does not change what was measured
	_ = os.RemoveAll(s.dir)
}

// database is where one of its services keeps its state.
func (s *system) database(service string) string {
	return "sqlite://" + filepath.Join(s.Data, service+".db")
}

// memory reads VmRSS (now) or VmHWM (peak) in megabytes.
func (s *system) memory(what string) float64 {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", s.PID()))
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
	return usage{system: cpu(strconv.Itoa(s.PID())), load: cpu("self")}
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

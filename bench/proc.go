package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"troupe/test/cluster"
)

// usage is CPU time by process: "load" is this process, and "troupe" the system in
// one process. Otherwise each service and each server has its own.
type usage map[string]time.Duration

func (u usage) minus(v usage) usage {
	spent := usage{}
	for name, d := range u {
		if d > v[name] {
			spent[name] = d - v[name]
		}
	}
	return spent
}

func (u usage) names() []string { return slices.Sorted(maps.Keys(u)) }

func (u usage) total() (sum time.Duration) {
	for _, d := range u {
		sum += d
	}
	return sum
}

// usage returns how much CPU time every process of the system has used so far.
func (s *system) usage() usage {
	u := usage{"load": cpu("self")}
	for pid, name := range s.processes() {
		u[name] += cpu(pid)
	}
	return u
}

// processes returns the names of the system's processes by pid. Servers are found
// by their program's name, so the machine should run only those that are measured.
func (s *system) processes() map[string]string {
	if s.Kind == cluster.OneProcess {
		return map[string]string{strconv.Itoa(s.PID(cluster.AllInOne)): "troupe"}
	}
	all := map[string]string{}
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	for _, folder := range folders {
		pid := filepath.Base(folder)
		line, err := os.ReadFile(folder + "/cmdline")
		if err != nil {
			continue // it has ended
		}
		words := strings.Split(string(line), "\x00")
		switch program := filepath.Base(words[0]); {
		case words[0] == s.Program && len(words) > 3 && words[1] == "serve":
			all[pid] = words[3]
		case program == "postgres" || strings.HasPrefix(program, "postgres:"):
			all[pid] = "(postgres)"
		case program == "beam.smp":
			all[pid] = "(rabbitmq)"
		}
	}
	return all
}

// memory returns the sum of VmRSS (now) or VmHWM (peak) of the services' processes, in megabytes.
func (s *system) memory(what string) (sum float64) {
	for pid, name := range s.processes() {
		if !strings.HasPrefix(name, "(") {
			sum += status(pid, what)
		}
	}
	return sum
}

// status returns a value of /proc/PID/status in megabytes; 0 if the process has ended.
func status(pid, what string) float64 {
	file, err := os.Open(fmt.Sprintf("/proc/%s/status", pid))
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

// clockTick is the unit of the times in /proc/PID/stat: USER_HZ is 100 on Linux.
const clockTick = 10 * time.Millisecond

// cpu returns the user and system time of a process so far (proc(5), fields 14 and 15).
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

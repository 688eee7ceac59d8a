package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"troupe/bench/internal/proc"
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

func (u usage) total() (sum time.Duration) {
	for _, d := range u {
		sum += d
	}
	return sum
}

// perOrder returns the microseconds for each order by process.
func (u usage) perOrder(orders int) map[string]float64 {
	each := map[string]float64{}
	for name, d := range u {
		each[name] = micros(d) / float64(orders)
	}
	return each
}

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// usage returns how much CPU time every process of the system has used so far.
func (s *system) usage() usage {
	u := usage{"load": proc.OwnCPU("self")}
	for pid, name := range s.processes() {
		u[name] += proc.CPU(pid)
	}
	return u
}

// processes returns the names of the system's processes by pid. Given servers are found
// by their program's name, so the machine should then run no others.
func (s *system) processes() map[string]string {
	if s.Kind == cluster.OneProcess {
		return map[string]string{strconv.Itoa(s.PID(cluster.AllInOne)): "troupe"}
	}
	all := map[string]string{}
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	for _, folder := range folders {
		line, err := os.ReadFile(folder + "/cmdline")
		if err != nil {
			continue // it has ended
		}
		pid := filepath.Base(folder)
		if name := s.nameOf(pid, strings.Split(string(line), "\x00")); name != "" {
			all[pid] = name
		}
	}
	return all
}

// nameOf returns the name of a process of the system, "" of any other.
func (s *system) nameOf(pid string, words []string) string {
	switch program := filepath.Base(words[0]); {
	case words[0] == s.Program && len(words) > 3 && words[1] == "serve":
		return words[3]
	case program == "postgres" && s.isOurs(words), strings.HasPrefix(program, "postgres:") && s.isOurs(commandOf(proc.Parent(pid))):
		return "(postgres)"
	case program == "beam.smp" && s.isOurs(words):
		return "(rabbitmq)"
	}
	return ""
}

// isOurs reports whether a server keeps its data in the folder of the bench. All are ours
// if servers were given.
func (s *system) isOurs(words []string) bool {
	return s.servers == nil || strings.Contains(strings.Join(words, " "), s.dir)
}

func commandOf(pid string) []string {
	line, _ := os.ReadFile("/proc/" + pid + "/cmdline") // it may have ended
	return strings.Split(string(line), "\x00")
}

// memory returns the sum of VmRSS (now) or VmHWM (peak) of the services' processes, in megabytes.
func (s *system) memory(what string) (sum float64) {
	for pid, name := range s.processes() {
		if !strings.HasPrefix(name, "(") {
			sum += proc.Status(pid, what)
		}
	}
	return sum
}

// settle waits until the system has nothing left to do: it uses little CPU for a while,
// or the time is up. Nothing is asked of it meanwhile.
func (s *system) settle() {
	const look, little, patience = 500 * time.Millisecond, 40 * time.Millisecond, 30 * time.Second
	for began, before := time.Now(), s.usage(); time.Since(began) < patience; {
		<-time.After(look)
		now := s.usage()
		spent := now.minus(before)
		delete(spent, "load")
		if before = now; spent.total() <= little {
			return
		}
	}
}

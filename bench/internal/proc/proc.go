// Package proc reads what processes use from Linux's /proc.
package proc

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of the times in /proc/PID/stat: USER_HZ is 100 on Linux.
const clockTick = 10 * time.Millisecond

// CPU returns the user and system time of a process so far, with that of its children
// that have ended (proc(5), fields 14 to 17); 0 if it has ended.
func CPU(pid string) time.Duration { return cpu(pid, 4) }

// OwnCPU returns the user and system time of a process so far, without its children.
func OwnCPU(pid string) time.Duration { return cpu(pid, 2) }

// cpu returns the sum of so many fields from the 14th on.
func cpu(pid string, n int) time.Duration {
	fields := stat(pid)
	if fields == nil {
		return 0
	}
	ticks := 0
	for _, field := range fields[11 : 11+n] {
		n, _ := strconv.Atoi(field)
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// Parent returns the pid of a process's parent; "" if the process has ended.
func Parent(pid string) string {
	fields := stat(pid)
	if fields == nil {
		return ""
	}
	return fields[1]
}

// stat returns the fields of /proc/PID/stat from the third on, nil if the process has
// ended. The pid may be "self".
func stat(pid string) []string {
	line, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
}

// Status returns a value of /proc/PID/status, such as VmRSS or VmHWM, in megabytes; 0 if
// the process has ended.
func Status(pid, what string) float64 {
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

// Written returns how many bytes a process has caused to be written to storage; 0 if that
// cannot be read.
func Written(pid string) (bytes float64) {
	file, err := os.Open(fmt.Sprintf("/proc/%s/io", pid))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if number, ok := strings.CutPrefix(lines.Text(), "write_bytes: "); ok {
			bytes, _ = strconv.ParseFloat(number, 64)
		}
	}
	return bytes
}

//go:build profile

package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
)

// With the build tag profile, each process writes a CPU profile of its whole life into
// the folder TROUPE_PROFILE, until it is asked to stop. A process that would end before the
// profile is written gets SIGUSR1 some time earlier.
func init() {
	folder := os.Getenv("TROUPE_PROFILE")
	if folder == "" {
		return
	}
	file, err := os.Create(filepath.Join(folder, fmt.Sprintf("%s-%d.cpu", filepath.Base(os.Args[len(os.Args)-1]), os.Getpid())))
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no profile is written:", err)
		return
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		pprof.StopCPUProfile()
		_ = file.Close() // it was only for measuring
	}()
}

package main

import (
	"errors"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// allowedCores returns the cores that this process may use, nil if that is not known.
func allowedCores() (all []int) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	for core := range len(set) * strconv.IntSize {
		if set.IsSet(core) {
			all = append(all, core)
		}
	}
	return all
}

// bind binds all threads of this process to some cores; those that they start inherit it.
// Without cores it changes nothing.
func bind(cores []int) error {
	if len(cores) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	runtime.GOMAXPROCS(len(cores))
	bound := map[string]bool{}
	for before := -1; before < len(bound); { // again, as long as a thread that was not bound yet has started another
		before = len(bound)
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			if err := bindThread(t.Name(), bound, &set); err != nil {
				return err
			}
		}
	}
	return nil
}

// bindThread binds a thread that is not in bound, and adds it.
func bindThread(name string, bound map[string]bool, set *unix.CPUSet) error {
	id, err := strconv.Atoi(name)
	if err != nil || bound[name] {
		return err
	}
	bound[name] = true
	if err := unix.SchedSetaffinity(id, set); err != nil && !errors.Is(err, unix.ESRCH) {
		return err // else it has ended
	}
	return nil
}

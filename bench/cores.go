package main

import (
	"fmt"
	"runtime"
	"strings"
)

// cores are those that the system and the load may use. If they are empty, both use all:
// then what the load takes is missing to the system.
type cores struct{ system, load []int }

// splitCores leaves the last core of the machine to the load, if there are several and the
// operating system can bind threads to them.
func splitCores() cores {
	all := allowedCores()
	if len(all) < 2 {
		return cores{}
	}
	last := len(all) - 1
	return cores{system: all[:last], load: all[last:]}
}

func (c cores) String() string {
	if len(c.system) == 0 {
		return fmt.Sprintf("%d cores, on which the load runs too", runtime.NumCPU())
	}
	return fmt.Sprintf("the system runs on core %s, the load on core %s", list(c.system), list(c.load))
}

func list(cores []int) string { return strings.Trim(fmt.Sprint(cores), "[]") }

// startSystem binds this process to the cores of the system, and so every process that it
// starts from now on. They use as many cores as they are bound to.
func (c cores) startSystem() error { return bind(c.system) }

// startLoad binds this process to the cores of the load. What it has started stays where
// it is.
func (c cores) startLoad() error { return bind(c.load) }

//go:build !linux

package main

// allowedCores returns nil: only Linux is asked which cores this process may use.
func allowedCores() []int { return nil }

// bind does nothing, as there are no cores to bind to.
func bind([]int) error { return nil }

//go:build !unix

package main

import "syscall"

// ownGroup is what the system does anyway.
func ownGroup() *syscall.SysProcAttr { return nil }

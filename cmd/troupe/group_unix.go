//go:build unix

package main

import "syscall"

// ownGroup keeps the terminal's Ctrl-C from reaching a child: it goes to the
// whole process group, and the services are to stop in our order, not all at once.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

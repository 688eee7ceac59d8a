//go:build unix

package h1

import (
	"errors"
	"syscall"
)

// isOpen reports whether an idle connection can be used: the server has neither closed it
// nor sent anything that was not asked for. It does not wait.
func (c *connection) isOpen() bool {
	if c.in.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return true
	}
	open := false
	err := c.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
		return true
	})
	return err == nil && open
}

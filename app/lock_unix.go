//go:build unix

package app

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockData keeps a second process off the data folder: the local bus wakes only
// consumers in its own process, and both processes would work on the same rows. The
// lock ends with the process, however the process ends.
func lockData(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	_ = file.Chmod(0o600) // it is empty, so that a file system without modes is no danger
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // nothing was written
		return nil, fmt.Errorf("another troupe runs on the data folder %s: stop it, or choose another folder with --data or TROUPE_DATA", dir)
	}
	return file, nil
}

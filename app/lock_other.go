//go:build !unix

package app

import "os"

// lockData does nothing where there is no flock.
func lockData(string) (*os.File, error) { return nil, nil }

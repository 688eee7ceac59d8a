package app

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
)

// copyFile copies a file to one that does not exist, and waits until it is on disk. Only
// its owner may read it. What is copied is written to copied too.
func copyFile(from, to string, copied io.Writer) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.MultiWriter(target, copied), source)
	return errors.Join(err, target.Sync(), target.Close())
}

// writeSynced writes a file that only its owner may read, and waits until it is on disk.
func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// syncFolder waits until the names in a folder are on disk. Windows has no such call.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// escapeGlob returns a path that stands for itself in a pattern of filepath.Glob.
func escapeGlob(path string) string {
	if runtime.GOOS == "windows" {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

package sqldb

import (
	"cmp"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// privateMode lets only the owner read a database: it may hold keys, password hashes and
// personal data.
const privateMode fs.FileMode = 0o600

// makePrivate creates the database file if it does not exist, and takes all permissions
// on it and its companions from everyone but the owner, whatever the umask and the
// folder allow. SQLite gives the companions that it creates later the mode of the
// database file.
func makePrivate(path string, log *slog.Logger) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, privateMode)
	if err != nil {
		return fmt.Errorf("create the file: %w", err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	for _, companion := range []string{"", "-wal", "-shm", "-journal"} {
		takeFromOthers(path+companion, cmp.Or(log, slog.Default()))
	}
	return nil
}

// takeFromOthers sets the mode of a file to privateMode if others have any permission on
// it. A file system without modes refuses that, which is no reason not to start.
func takeFromOthers(path string, log *slog.Logger) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return
	}
	if err := os.Chmod(path, privateMode); err != nil {
		log.Warn("a database file can be read by others, and its mode cannot be changed: move it to a folder that only this user can open",
			"file", path, "mode", info.Mode().Perm().String(), "error", err)
		return
	}
	log.Warn("a database file could be read by others, and no longer can", "file", path, "mode", info.Mode().Perm().String())
}

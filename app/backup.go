package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

const (
	backupManifest = "backup.json"
	backupFormat   = 1
	// adminPasswordFile is kept beside the databases by 'troupe up'.
	adminPasswordFile = "admin-password"
)

// BackupManifest is what a backup has, in its file backup.json.
type BackupManifest struct {
	Format  int                     `json:"format"`
	Version string                  `json:"version"` // of the program that made it
	MadeAt  timestamp.Time          `json:"made_at"`
	Files   map[string]FileInBackup `json:"files"` // by name
}

// FileInBackup is one file of a backup.
type FileInBackup struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Names returns the names of the files, sorted.
func (m *BackupManifest) Names() []string { return slices.Sorted(maps.Keys(m.Files)) }

// Size returns the size of all files together.
func (m *BackupManifest) Size() (bytes int64) {
	for _, file := range m.Files {
		bytes += file.Size
	}
	return bytes
}

// FileProgress is called while Backup and Restore are at work, with how many bytes were
// copied or checked, which is what, and of how many. It is called from one goroutine.
type FileProgress func(what string, done, total int64)

const (
	bytesCopied  = "bytes copied"
	bytesChecked = "bytes checked"
)

// Backup copies the SQLite files of all services in a data folder into a folder that does
// not exist yet, all as of one moment, also while the system runs. The folder appears
// when it is complete.
func Backup(ctx context.Context, all []Service, data, to string, progress FileProgress) (*BackupManifest, error) {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s exists already: name a folder that does not exist", to)
	}
	partial := to + ".partial"
	if err := os.RemoveAll(partial); err != nil { // of a backup that was interrupted
		return nil, err
	}
	if err := os.MkdirAll(partial, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the backup: %w", err)
	}
	manifest, err := backUpInto(ctx, all, data, partial, progress)
	if err == nil {
		err = errors.Join(syncFolder(partial), os.Rename(partial, to), syncFolder(filepath.Dir(to)))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(partial))
	}
	return manifest, nil
}

func backUpInto(ctx context.Context, all []Service, data, to string, progress FileProgress) (*BackupManifest, error) {
	copies := map[string]string{}
	for _, s := range all {
		from := filepath.Join(absolute(data), s.Name+".db")
		if info, err := os.Stat(from); s.Migrations == nil || err != nil || info.Size() == 0 {
			continue
		}
		copies[from] = filepath.Join(absolute(to), s.Name+".db")
	}
	if len(copies) == 0 {
		return nil, fmt.Errorf("there are no database files in %s: name the folder of the system with --data", data)
	}
	size := int64(0)
	err := sqldb.CopySQLiteFiles(ctx, copies, func(done, total int64) {
		size = total
		progress(bytesCopied, done, total)
	})
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, path := range copies {
		names = append(names, filepath.Base(path))
	}
	switch err := copyFile(filepath.Join(data, adminPasswordFile), filepath.Join(to, adminPasswordFile), io.Discard); {
	case err == nil:
		names = append(names, adminPasswordFile)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return writeManifest(to, names, countedBytes{progress: progress, what: bytesChecked, total: size})
}

func writeManifest(dir string, names []string, checked countedBytes) (*BackupManifest, error) {
	m := &BackupManifest{Format: backupFormat, Version: Version, MadeAt: timestamp.Of(time.Now()), Files: map[string]FileInBackup{}}
	for _, name := range names {
		file, err := describeFile(filepath.Join(dir, name), &checked)
		if err != nil {
			return nil, err
		}
		m.Files[name] = file
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return m, writeSynced(filepath.Join(dir, backupManifest), append(text, '\n'))
}

// countedBytes shows how many bytes were written to it.
type countedBytes struct {
	progress    FileProgress
	what        string
	done, total int64
}

func (c *countedBytes) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	c.progress(c.what, c.done, c.total)
	return len(p), nil
}

// describeFile returns the size and the checksum of a file. What is read is written to
// checked too.
func describeFile(path string, checked io.Writer) (FileInBackup, error) {
	file, err := os.Open(path)
	if err != nil {
		return FileInBackup{}, err
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(sum, checked), file)
	return FileInBackup{Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}

// Restore copies a backup into a data folder that has no databases, after it has compared
// every file with its checksum.
func Restore(ctx context.Context, from, data string, progress FileProgress) (*BackupManifest, error) {
	manifest, err := readManifest(ctx, from, progress)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockData(data)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if present, _ := filepath.Glob(filepath.Join(escapeGlob(data), "*.db*")); len(present) > 0 {
		return nil, fmt.Errorf("%s has databases already, such as %s: move the folder away first, or name another one with --data", data, filepath.Base(present[0]))
	}
	copied := &countedBytes{progress: progress, what: bytesCopied, total: manifest.Size()}
	for _, name := range manifest.Names() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := filepath.Join(data, name)
		if err := errors.Join(os.RemoveAll(to), copyFile(filepath.Join(from, name), to, copied)); err != nil {
			return nil, err
		}
	}
	return manifest, syncFolder(data)
}

// readManifest returns the manifest of a backup whose files are all as they were made.
func readManifest(ctx context.Context, dir string, progress FileProgress) (*BackupManifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, backupManifest))
	if err != nil {
		return nil, fmt.Errorf("%s is no backup of 'troupe backup': %w", dir, err)
	}
	m := &BackupManifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s of the backup cannot be read: %w", backupManifest, err)
	}
	if m.Format != backupFormat {
		return nil, fmt.Errorf("the backup has format %d, which this program does not know: restore it with version %s", m.Format, m.Version)
	}
	checked := &countedBytes{progress: progress, what: bytesChecked, total: m.Size()}
	for _, name := range m.Names() {
		if filepath.Base(name) != name {
			return nil, fmt.Errorf("the backup names the file %q, which is not one of its own", name)
		}
		found, err := describeFile(filepath.Join(dir, name), checked)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the backup is incomplete: %w", err)
		case found != m.Files[name]:
			return nil, fmt.Errorf("%s of the backup has changed since it was made (%d bytes, then %d): take another backup", name, found.Size, m.Files[name].Size)
		}
		if filepath.Ext(name) == ".db" {
			if err := sqldb.CheckSQLiteFile(ctx, filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"troupe/app"
	"troupe/services"
)

type backupCommand struct {
	To   string `arg:"" type:"path" help:"A folder that does not exist, or a file that ends in .tar.gz."`
	Data string `default:".troupe" env:"TROUPE_DATA" type:"path" help:"The data folder of the system, which may run."`
}

// Run copies the databases of the data folder.
func (c backupCommand) Run(ctx context.Context) error {
	dir := c.To
	if isArchive(c.To) {
		if _, err := os.Lstat(c.To); err == nil {
			return fmt.Errorf("%s exists already: name a file that does not exist", c.To)
		}
		temporary, err := os.MkdirTemp(filepath.Dir(c.To), ".troupe-backup-")
		if err != nil {
			return fmt.Errorf("make a folder beside the file: %w", err)
		}
		defer os.RemoveAll(temporary)
		dir = filepath.Join(temporary, "backup")
	}
	fmt.Fprintln(os.Stderr, "copying the databases in", c.Data)
	work := fileProgress{}
	manifest, err := app.Backup(ctx, services.All, c.Data, dir, work.show)
	work.end()
	if err != nil {
		return err
	}
	if isArchive(c.To) {
		fmt.Fprintln(os.Stderr, "packing", len(manifest.Files), "files")
		if err := pack(dir, append(manifest.Names(), "backup.json"), manifest.Size(), c.To); err != nil {
			return errors.Join(err, os.Remove(c.To))
		}
	}
	fmt.Printf("%s has %s as of one moment, %.1f MB; it contains password hashes and signing keys: keep it as you keep those\n",
		c.To, strings.Join(manifest.Names(), ", "), float64(manifest.Size())/1e6)
	return nil
}

type restoreCommand struct {
	From string `arg:"" type:"existingpath" help:"What 'troupe backup' has made."`
	Data string `default:".troupe" env:"TROUPE_DATA" type:"path" help:"A data folder without databases."`
}

// Run copies a backup into the data folder.
func (c restoreCommand) Run(ctx context.Context) error {
	dir := c.From
	if isArchive(c.From) {
		temporary, err := os.MkdirTemp(filepath.Dir(c.Data), ".troupe-restore-")
		if err != nil {
			return fmt.Errorf("make a folder beside the data folder: %w", err)
		}
		defer os.RemoveAll(temporary)
		fmt.Fprintln(os.Stderr, "unpacking", c.From)
		if err := unpack(c.From, temporary); err != nil {
			return fmt.Errorf("%s: %w", c.From, err)
		}
		dir = temporary
	}
	work := fileProgress{}
	manifest, err := app.Restore(ctx, dir, c.Data, work.show)
	work.end()
	if err != nil {
		return err
	}
	fmt.Printf("%s has %s as of %s; start the system with 'troupe up --data %s'\n",
		c.Data, strings.Join(manifest.Names(), ", "), manifest.MadeAt.Format(time.RFC3339), c.Data)
	return nil
}

// fileProgress shows how far each part of the work on the files of a backup is.
type fileProgress struct{ *progress }

func (f *fileProgress) show(what string, done, total int64) {
	if f.progress == nil || f.what != what {
		f.end()
		f.progress = newProgress(what, false)
	}
	f.progress.show(done, total)
}

func (f *fileProgress) end() {
	if f.progress != nil {
		f.progress.end()
	}
}

func isArchive(path string) bool {
	return strings.HasSuffix(path, ".tar.gz") || strings.HasSuffix(path, ".tgz")
}

// counter shows how many bytes were written to it.
type counter struct {
	*progress
	done, total int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	c.show(c.done, c.total)
	return len(p), nil
}

// pack writes files of a folder, of so many bytes, into an archive that only its owner may
// read.
func pack(dir string, names []string, size int64, to string) error {
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	compressed := gzip.NewWriter(file)
	archive := tar.NewWriter(compressed)
	packed := counter{progress: newProgress("bytes", false), total: size}
	for _, name := range names {
		if err = packFile(io.MultiWriter(archive, &packed), archive, filepath.Join(dir, name)); err != nil {
			break
		}
	}
	packed.end()
	return errors.Join(err, archive.Close(), compressed.Close(), file.Sync(), file.Close())
}

func packFile(to io.Writer, archive *tar.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(to, file)
	return err
}

// unpack writes the files of an archive into a folder. Names with folders are refused.
func unpack(from, dir string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("it is not an archive of 'troupe backup': %w", err)
	}
	archive := tar.NewReader(compressed)
	unpacked := counter{progress: newProgress("bytes", false)}
	defer unpacked.end()
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is damaged: %w", err)
		}
		if filepath.Base(header.Name) != header.Name || header.Typeflag != tar.TypeReg {
			return fmt.Errorf("it has %q, which no backup has", header.Name)
		}
		if err := unpackFile(io.TeeReader(archive, &unpacked), filepath.Join(dir, header.Name)); err != nil { //nolint:gosec // the name has no folder
			return err
		}
	}
}

func unpackFile(from io.Reader, to string) error {
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}

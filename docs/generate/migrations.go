package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// migrationSums is the file with the checksums of all migrations. A line is added when a
// migration is, and never changes.
const migrationSums = "docs/migrations.sum"

// migrationsDocument returns the lines of the file with those of new migrations.
func migrationsDocument() ([]byte, error) {
	kept, err := os.ReadFile(migrationSums)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return sumsOf(os.DirFS("."), kept)
}

// sumsOf returns the checksums of the migrations in a tree. It fails if one that has a line
// in kept has been edited or removed: databases have applied it as it was. A service that
// is removed as a whole takes its migrations with it.
func sumsOf(tree fs.FS, kept []byte) ([]byte, error) {
	present, err := migrationsIn(tree)
	if err != nil {
		return nil, err
	}
	var errs []error
	for lines := bufio.NewScanner(bytes.NewReader(kept)); lines.Scan(); {
		sum, name, _ := strings.Cut(lines.Text(), "  ")
		switch now, there := present[name]; {
		case !there && isGone(tree, name):
		case !there:
			errs = append(errs, fmt.Errorf("%s has been removed, but databases have applied it: restore it", name))
		case now != sum:
			errs = append(errs, fmt.Errorf("%s has been edited, but databases have applied it as it was: restore it and add another migration; "+
				"if it is on no branch but yours yet, remove its line from %s and run 'make generate'", name, migrationSums))
		}
	}
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(present)) {
		fmt.Fprintf(&out, "%s  %s\n", present[name], name)
	}
	return out.Bytes(), errors.Join(errs...)
}

// isGone reports whether the package of a migration has been removed.
func isGone(tree fs.FS, name string) bool {
	_, err := fs.Stat(tree, path.Dir(path.Dir(name)))
	return errors.Is(err, fs.ErrNotExist)
}

// migrationsIn returns the checksums of the migrations of services and patterns, by path.
func migrationsIn(tree fs.FS) (map[string]string, error) {
	sums := map[string]string{}
	for _, top := range []string{"services", "patterns", "platform"} {
		err := fs.WalkDir(tree, top, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path.Base(path.Dir(name)) != "migrations" || path.Ext(name) != ".sql" || strings.Contains(name, "testdata") {
				return err
			}
			text, err := fs.ReadFile(tree, name)
			sum := sha256.Sum256(text)
			sums[name] = hex.EncodeToString(sum[:])
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return sums, nil
}

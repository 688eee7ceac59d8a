package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"troupe/platform/sqldb"
)

// dataFolder is what the database files of one folder know about each other. Each file
// holds the folder's id and the names of all files that belong to it. So a file that is
// missing, empty or of another folder is noticed: a service that starts empty beside the
// others would have forgotten its customers, while the others still refer to them.
type dataFolder struct {
	id       string
	services string          // that have had a file in it, sorted, with spaces in between
	marked   map[string]mark // what the files hold already, by service
}

// mark is what one file holds.
type mark struct{ id, services string }

// readDataFolder reads the marks of the files that exist and returns an error that says
// what to do if one of them does not belong there. Files of an older version, and those
// of a first start that was interrupted, have no marks; they get theirs.
func (s *System) readDataFolder(ctx context.Context) (*dataFolder, error) {
	folder := &dataFolder{marked: map[string]mark{}}
	known := map[string]bool{}
	for _, m := range s.services {
		if !hasDatabase(m) {
			continue
		}
		found, err := s.readMark(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.service.Name, err)
		}
		folder.marked[m.service.Name] = found
		for service := range strings.FieldsSeq(found.services) {
			known[service] = true
		}
	}
	for service, found := range folder.marked {
		switch {
		case found.id == "" && known[service]:
			return nil, s.incompleteFolder(service)
		case found.id != "" && folder.id != "" && found.id != folder.id:
			return nil, fmt.Errorf("the database files in %s come from different data folders: restore all of them from the same backup", s.settings.DataDir)
		}
		folder.id = cmp.Or(folder.id, found.id)
	}
	for service := range folder.marked {
		known[service] = true
	}
	folder.id = cmp.Or(folder.id, newID())
	folder.services = strings.Join(slices.Sorted(maps.Keys(known)), " ")
	return folder, nil
}

func (s *System) incompleteFolder(service string) error {
	state := "is not the one that belongs there"
	switch info, err := os.Stat(s.databaseFile(service)); {
	case errors.Is(err, fs.ErrNotExist):
		state = "is missing"
	case err == nil && info.Size() == 0:
		state = "is empty"
	}
	return fmt.Errorf("%s.db in %s %s, while the other services have their data: restore it from a backup, or remove the whole folder to begin anew",
		service, s.settings.DataDir, state)
}

// readMark opens a service's file, if there is one, and returns the mark in it, which is
// zero if there is none. It changes nothing.
func (s *System) readMark(ctx context.Context, m *runningService) (found mark, err error) {
	info, err := os.Stat(s.databaseFile(m.service.Name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, err
	}
	if err := s.open(ctx, m); err != nil {
		return mark{}, err
	}
	var tables int
	if err := m.db.QueryRow(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'data_folder'").Scan(&tables); err != nil || tables == 0 {
		return mark{}, err
	}
	err = m.db.QueryRow(ctx, "SELECT id, services FROM data_folder").Scan(&found.id, &found.services)
	if errors.Is(err, sqldb.ErrNoRows) {
		return mark{}, nil
	}
	return found, err
}

// mark writes the mark into a service's file. It is called when all files exist, so that
// a first start that is interrupted can be repeated.
func (f *dataFolder) mark(ctx context.Context, m *runningService) error {
	if f.marked[m.service.Name] == (mark{f.id, f.services}) {
		return nil
	}
	return m.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS data_folder (id TEXT PRIMARY KEY, services TEXT NOT NULL)"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO data_folder (id, services) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET services = excluded.services`, f.id, f.services)
		return err
	})
}

// warnOfOpenFolder logs a warning if others may look into the data folder. The files in
// it are for this user alone even so.
func (s *System) warnOfOpenFolder(dir string) {
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		s.log.Warn("others may look into the data folder; take their permissions: chmod 700", "folder", dir, "mode", info.Mode().Perm().String())
	}
}

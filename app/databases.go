package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
)

// openDatabases opens and migrates the database of every service that has one.
func (s *System) openDatabases(ctx context.Context) error {
	if !slices.ContainsFunc(s.services, hasDatabase) {
		return nil
	}
	if s.settings.DatabaseURL != "" {
		return s.eachDatabase(ctx, s.openAndMigrate)
	}
	if err := os.MkdirAll(s.settings.DataDir, 0o700); err != nil {
		return fmt.Errorf("cannot make the data folder; set TROUPE_DATA to a folder that can be written to: %w", err)
	}
	s.warnOfOpenFolder(s.settings.DataDir)
	var err error
	if s.lock, err = lockData(s.settings.DataDir); err != nil {
		return err
	}
	folder, err := s.readDataFolder(ctx)
	if err != nil {
		return err
	}
	if err := s.eachDatabase(ctx, s.openAndMigrate); err != nil {
		return err
	}
	return s.eachDatabase(ctx, folder.mark)
}

// eachDatabase calls f for every service with a database, all at the same time.
func (s *System) eachDatabase(ctx context.Context, f func(context.Context, *runningService) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range s.services {
		if !hasDatabase(m) {
			continue
		}
		group.Go(func() error {
			if err := f(ctx, m); err != nil {
				return fmt.Errorf("%s: %w", m.service.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (s *System) open(ctx context.Context, m *runningService) (err error) {
	m.db, err = sqldb.Open(ctx, s.databaseURL(m.service.Name), sqldb.Options{Log: s.logOf(m)})
	return err
}

func (s *System) openAndMigrate(ctx context.Context, m *runningService) error {
	if m.db == nil { // readDataFolder opens the files that exist
		if err := s.open(ctx, m); err != nil {
			return err
		}
	}
	if err := sqldb.Migrate(ctx, m.db, Migrations(m.service)...); err != nil {
		return err
	}
	m.traced = sqldb.Traced(m.db, m.service.Name)
	m.db = m.traced
	return nil
}

func hasDatabase(m *runningService) bool { return m.service.Migrations != nil }

func (s *System) databaseURL(service string) string {
	if s.settings.DatabaseURL != "" {
		return s.settings.DatabaseURL
	}
	return sqldb.SQLiteURL(filepath.ToSlash(s.databaseFile(service)))
}

func (s *System) databaseFile(service string) string {
	return filepath.Join(absolute(s.settings.DataDir), service+".db")
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
)

// Secret returns the secret with this name. The first replica to call it stores what
// create returns; the others read that.
func Secret(ctx context.Context, db sqldb.DB, name string, now time.Time, create func() (string, error)) (string, error) {
	read := func() ([]string, error) {
		return sqldb.All(ctx, db, func(row sqldb.Row) (value string, err error) {
			err = row.Scan(&value)
			return value, err
		}, "SELECT value FROM mail_secrets WHERE name = $1", name)
	}
	values, err := read()
	if err != nil {
		return "", fmt.Errorf("read the secret %s: %w", name, err)
	}
	if len(values) == 0 {
		created, err := create()
		if err != nil {
			return "", err
		}
		_, err = db.Exec(ctx, "INSERT INTO mail_secrets (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
			name, created, sqldb.Micros(now))
		if err != nil {
			return "", fmt.Errorf("save the secret %s: %w", name, err)
		}
		if values, err = read(); err != nil || len(values) == 0 {
			return "", fmt.Errorf("read the secret %s again: %w", name, err)
		}
	}
	return values[0], nil
}

package sqldb

import (
	"context"
	"errors"
)

const pgUniqueViolation = "23505"

func openPostgres(ctx context.Context, url string, o Options) (DB, error) {
	return nil, errors.New("PostgreSQL is not supported yet: use sqlite:///path/to/file.db")
}

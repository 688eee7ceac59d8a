package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
)

// ErrChanged is the error of a change that another one has overtaken.
var ErrChanged = fault.New(fault.Conflict, "user_changed", "the account was changed by another request at the same time; try again")

const selectAccount = `SELECT id, email, name, locale, role, password_hash, password_change_required, version,
	created_at, updated_at FROM accounts WHERE deleted_at IS NULL`

// Add stores a new account and reports whether its e-mail address was free.
func Add(ctx context.Context, tx sqldb.Tx, a account.Account) (free bool, err error) {
	n, err := tx.Exec(ctx, `INSERT INTO accounts (id, email, name, locale, role, password_hash, password_change_required, version,
		created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (email) DO NOTHING`,
		a.ID, a.Email, a.Name, a.Locale, string(a.Role), a.PasswordHash, a.PasswordChangeRequired, a.Version,
		sqldb.Micros(a.CreatedAt), sqldb.Micros(a.UpdatedAt))
	if err != nil {
		return false, fmt.Errorf("save account: %w", err)
	}
	return n == 1, nil
}

// Get returns an account. It returns fault.NotFound if there is none.
func Get(ctx context.Context, q sqldb.Querier, id string) (account.Account, error) {
	return one(q.QueryRow(ctx, selectAccount+` AND id = $1`, id), id)
}

// ByEmail returns an account by its e-mail address. It returns fault.NotFound if there
// is none.
func ByEmail(ctx context.Context, q sqldb.Querier, email string) (account.Account, error) {
	return one(q.QueryRow(ctx, selectAccount+` AND email = $1`, email), "")
}

// List returns up to limit accounts with ids after the given one, oldest first.
func List(ctx context.Context, q sqldb.Querier, after string, limit int) ([]account.Account, error) {
	all, err := sqldb.All(ctx, q, scan, selectAccount+` AND id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return all, nil
}

// HasAdmin reports whether there is an admin other than the one with this id.
func HasAdmin(ctx context.Context, q sqldb.Querier, otherThan string) (bool, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT count(*) FROM accounts WHERE role = $1 AND deleted_at IS NULL AND id <> $2`,
		string(auth.Admin), otherThan).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("count admins: %w", err)
	}
	return n > 0, nil
}

// Update loads an account, calls change, and stores the account if change reports that
// it has changed. It returns fault.NotFound if there is no account, and fault.Conflict
// if another transaction changed it at the same time.
func Update(ctx context.Context, tx sqldb.Tx, id string, change func(*account.Account) (changed bool, err error)) (a account.Account, changed bool, err error) {
	if a, err = Get(ctx, tx, id); err != nil {
		return a, false, err
	}
	loaded := a.Version
	if changed, err = change(&a); err != nil || !changed {
		return a, false, err
	}
	n, err := tx.Exec(ctx, `UPDATE accounts SET name = $1, locale = $2, version = $3, updated_at = $4
		WHERE id = $5 AND version = $6 AND deleted_at IS NULL`,
		a.Name, a.Locale, a.Version, sqldb.Micros(a.UpdatedAt), id, loaded)
	if err != nil {
		return a, false, fmt.Errorf("save account: %w", err)
	}
	if n == 0 {
		return a, false, ErrChanged
	}
	return a, true, nil
}

// ReplaceHash replaces the old password hash with a new one and reports whether the
// old one was still stored. It prevents other changes of the password until tx ends,
// so sign-in calls it even to store the same hash again.
func ReplaceHash(ctx context.Context, tx sqldb.Tx, id, old, replacement string) (replaced bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE accounts SET password_hash = $1
		WHERE id = $2 AND password_hash = $3 AND deleted_at IS NULL`, replacement, id, old)
	if err != nil {
		return false, fmt.Errorf("save password hash: %w", err)
	}
	return n == 1, nil
}

// SetPassword replaces the old password hash with that of another password, which need
// not be changed again, and reports whether the old one was still stored.
func SetPassword(ctx context.Context, tx sqldb.Tx, id, old, replacement string) (replaced bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE accounts SET password_hash = $1, password_change_required = $2
		WHERE id = $3 AND password_hash = $4 AND deleted_at IS NULL`, replacement, false, id, old)
	if err != nil {
		return false, fmt.Errorf("save password: %w", err)
	}
	return n == 1, nil
}

// Delete erases the personal data of an account and keeps only the id, to which other
// services may refer. It returns the account's last version. It fails with fault.NotFound
// if there is no such account, and with ErrChanged if it is no longer a.
func Delete(ctx context.Context, tx sqldb.Tx, a account.Account, now time.Time) (version int64, err error) {
	err = tx.QueryRow(ctx, `UPDATE accounts SET email = NULL, name = '', locale = '', password_hash = '',
		version = version + 1, updated_at = $1, deleted_at = $1
		WHERE id = $2 AND version = $3 AND deleted_at IS NULL RETURNING version`,
		sqldb.Micros(now), a.ID, a.Version).Scan(&version)
	if errors.Is(err, sqldb.ErrNoRows) {
		_, err := Get(ctx, tx, a.ID)
		return 0, cmp.Or(err, error(ErrChanged))
	}
	if err != nil {
		return 0, fmt.Errorf("delete account: %w", err)
	}
	return version, nil
}

// one returns the account in row. id is the id that was asked for, if any.
func one(row sqldb.Row, id string) (account.Account, error) {
	a, err := scan(row)
	if errors.Is(err, sqldb.ErrNoRows) {
		return a, missing(id)
	}
	if err != nil {
		return a, fmt.Errorf("read account: %w", err)
	}
	return a, nil
}

func missing(id string) error { return fault.Missing("user", id, "GET /users lists all users") }

func scan(row sqldb.Row) (account.Account, error) {
	var a account.Account
	var role string
	var created, updated int64
	err := row.Scan(&a.ID, &a.Email, &a.Name, &a.Locale, &role, &a.PasswordHash, &a.PasswordChangeRequired, &a.Version, &created, &updated)
	a.Role, a.CreatedAt, a.UpdatedAt = auth.Role(role), sqldb.Time(created), sqldb.Time(updated)
	return a, err
}

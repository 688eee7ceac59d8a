package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/ascii"
	"troupe/platform/sqldb"
)

// The reasons of a suppression.
const (
	Bounced    = "bounce"    // the address does not exist
	Complained = "complaint" // its owner took a mail for spam
	Manual     = "manual"    // an admin added it
)

// Suppression is an address to which no mail is sent, or only what is critical.
type Suppression struct {
	ID        string
	Address   string // empty once the account was erased
	Reason    string
	Detail    string
	CreatedAt time.Time
}

const selectSuppression = "SELECT id, address, reason, detail, created_at FROM suppressions"

func scanSuppression(row sqldb.Row) (Suppression, error) {
	var s Suppression
	var created int64
	err := row.Scan(&s.ID, &s.Address, &s.Reason, &s.Detail, &created)
	s.CreatedAt = sqldb.Time(created)
	return s, err
}

// Suppress adds an address to the list. One that is there already stays, but a dead
// address, or one that an admin adds, replaces a complaint: it stops more.
func Suppress(ctx context.Context, tx sqldb.Tx, s Suppression) error {
	_, err := tx.Exec(ctx, `INSERT INTO suppressions (id, hash, address, reason, detail, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (hash) DO UPDATE SET address = excluded.address, reason = excluded.reason, detail = excluded.detail
		WHERE suppressions.address = '' OR suppressions.reason = 'complaint' AND excluded.reason <> 'complaint'`,
		s.ID, hashOf(s.Address), ascii.Lower(s.Address), s.Reason, s.Detail, sqldb.Micros(s.CreatedAt))
	if err != nil {
		return fmt.Errorf("suppress an address: %w", err)
	}
	return nil
}

// eraseAddress erases an address from the list. No mail is sent to it as before.
func eraseAddress(ctx context.Context, tx sqldb.Tx, address string) error {
	_, err := tx.Exec(ctx, "UPDATE suppressions SET address = '', detail = '' WHERE hash = $1 AND address <> ''", hashOf(address))
	if err != nil {
		return fmt.Errorf("erase an address from the suppression list: %w", err)
	}
	return nil
}

// Suppressed returns the suppressions of those addresses that have one, by address in
// lower case.
func Suppressed(ctx context.Context, q sqldb.Querier, addresses []string) (map[string]Suppression, error) {
	byHash := map[string]string{}
	var hashes []string
	for _, a := range addresses {
		hash := hashOf(a)
		byHash[hash] = ascii.Lower(a)
		hashes = append(hashes, hash)
	}
	found := map[string]Suppression{}
	_, err := sqldb.In(ctx, q, "SELECT hash, reason, detail FROM suppressions WHERE hash", nil, distinct(hashes), "", func(row sqldb.Row) error {
		var hash string
		var s Suppression
		err := row.Scan(&hash, &s.Reason, &s.Detail)
		s.Address = byHash[hash]
		found[s.Address] = s
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look %d addresses up in the suppression list: %w", len(addresses), err)
	}
	return found, nil
}

// Suppressions returns up to limit suppressions, newest first: those older than the one
// with the id before, and only that of an address if it is not empty.
func Suppressions(ctx context.Context, q sqldb.Querier, address, before string, limit int) ([]Suppression, error) {
	hash := ""
	if address != "" {
		hash = hashOf(address)
	}
	list, err := sqldb.All(ctx, q, scanSuppression,
		selectSuppression+" WHERE ($1 = '' OR hash = $1) AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3", hash, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list the suppressions: %w", err)
	}
	return list, nil
}

// Unsuppress removes a suppression and reports whether there was one.
func Unsuppress(ctx context.Context, tx sqldb.Tx, id string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM suppressions WHERE id = $1", id)
	if err != nil {
		return false, fmt.Errorf("remove suppression %s: %w", id, err)
	}
	return n == 1, nil
}

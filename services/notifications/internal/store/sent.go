package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"troupe/platform/ascii"
	"troupe/platform/sqldb"
)

// CountMails adds the numbers of mails, by address, to those of the present hour, and
// returns the sums by address. Pushes are counted by the name of their browser.
func CountMails(ctx context.Context, tx sqldb.Tx, mails map[string]int64, now time.Time) (map[string]int64, error) {
	sums := make(map[string]int64, len(mails))
	b := &sqldb.Batch{}
	for _, address := range slices.Sorted(maps.Keys(mails)) { // in one order, so that replicas do not wait for each other in a circle
		b.Query(func(row sqldb.Row) error {
			var sum int64
			err := row.Scan(&sum)
			sums[address] = sum
			return err
		}, `INSERT INTO sent_mails (address, hour, mails) VALUES ($1, $2, $3)
			ON CONFLICT (address, hour) DO UPDATE SET mails = sent_mails.mails + excluded.mails RETURNING mails`,
			hashOf(address), hourOf(now), mails[address])
	}
	if err := tx.Run(ctx, b); err != nil {
		return nil, fmt.Errorf("count mails: %w", err)
	}
	return sums, nil
}

// DeleteCounts deletes the counts of earlier hours.
func DeleteCounts(ctx context.Context, tx sqldb.Tx, now time.Time) error {
	if _, err := tx.Exec(ctx, "DELETE FROM sent_mails WHERE hour < $1", hourOf(now)); err != nil {
		return fmt.Errorf("delete old counts of mails: %w", err)
	}
	return nil
}

func hourOf(t time.Time) int64 { return t.Unix() / int64(time.Hour/time.Second) }

func hashOf(address string) string {
	sum := sha256.Sum256([]byte(ascii.Lower(address)))
	return hex.EncodeToString(sum[:16])
}

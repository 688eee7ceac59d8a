package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
)

// Attempt is one attempt to submit a mail to the SMTP server.
type Attempt struct {
	DeliveryID string
	N          int // from 1
	delivery.Attempt
	EndedAt time.Time
}

// AddAttempts stores how attempts ended.
func AddAttempts(ctx context.Context, tx sqldb.Tx, attempts []Attempt) error {
	rows := make([][]any, len(attempts))
	for i, a := range attempts {
		rows[i] = []any{a.DeliveryID, a.N, string(a.Phase), string(a.State), a.Reply, sqldb.Micros(a.EndedAt)}
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO attempts (delivery_id, n, phase, state, reply, ended_at)", rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("add %d attempts: %w", len(attempts), err)
	}
	return nil
}

// Attempts returns the attempts of a delivery, oldest first.
func Attempts(ctx context.Context, q sqldb.Querier, deliveryID string) ([]Attempt, error) {
	list, err := sqldb.All(ctx, q, func(row sqldb.Row) (Attempt, error) {
		var a Attempt
		var ended int64
		err := row.Scan(&a.DeliveryID, &a.N, &a.Phase, &a.State, &a.Reply, &ended)
		a.EndedAt = sqldb.Time(ended)
		return a, err
	}, "SELECT delivery_id, n, phase, state, reply, ended_at FROM attempts WHERE delivery_id = $1 ORDER BY n", deliveryID)
	if err != nil {
		return nil, fmt.Errorf("list the attempts of delivery %s: %w", deliveryID, err)
	}
	return list, nil
}

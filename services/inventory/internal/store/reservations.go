package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/inventory/internal/stock"
)

// ErrLostRace is the error for a row that another transaction, perhaps of another
// replica, has changed since it was read. The caller can retry from the beginning.
var ErrLostRace = errors.New("changed by another transaction since it was read; retry")

const reservationColumns = "order_id, state, lines, expires_at, version"

// Reservations loads the reservations of orders, by order id. An order that has
// none yet gets a new one in state None.
func Reservations(ctx context.Context, q sqldb.Querier, orderIDs []string) (map[string]*stock.Reservation, error) {
	found := make(map[string]*stock.Reservation, len(orderIDs))
	var ids []any
	for _, id := range orderIDs {
		if found[id] == nil {
			found[id] = &stock.Reservation{OrderID: id}
			ids = append(ids, id)
		}
	}
	_, err := sqldb.In(ctx, q, "SELECT "+reservationColumns+" FROM reservations WHERE order_id", nil, ids, "",
		func(row sqldb.Row) error {
			r, err := scanReservation(row)
			found[r.OrderID] = r
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("load reservations: %w", err)
	}
	return found, nil
}

// Overdue returns the ids of at most limit orders whose holds expire up to passed.
func Overdue(ctx context.Context, q sqldb.Querier, passed time.Time, limit int) ([]string, error) {
	ids, err := sqldb.All(ctx, q, scanString,
		"SELECT order_id FROM reservations WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at LIMIT $2",
		sqldb.Micros(passed), limit)
	if err != nil {
		return nil, fmt.Errorf("find overdue holds: %w", err)
	}
	return ids, nil
}

// SaveReservations stores new and changed reservations. It fails with ErrLostRace
// if one of them was changed since it was loaded. If another transaction has added one
// meanwhile, tx is run again.
func SaveReservations(ctx context.Context, tx sqldb.Tx, changed []*stock.Reservation) error {
	var fresh [][]any
	var updates sqldb.Batch
	for _, r := range changed {
		lines, err := json.Marshal(r.Lines)
		if err != nil {
			return fmt.Errorf("encode lines of order %s: %w", r.OrderID, err)
		}
		expires := sqldb.Micros(r.ExpiresAt)
		if r.Version == 0 {
			fresh = append(fresh, []any{r.OrderID, string(r.State), string(lines), expires, 1})
			continue
		}
		updates.Exec(touchedOne,
			"UPDATE reservations SET state = $1, lines = $2, expires_at = $3, version = version + 1 WHERE order_id = $4 AND version = $5",
			string(r.State), string(lines), expires, r.OrderID, r.Version)
	}
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO reservations ("+reservationColumns+")", fresh, "", nil); err != nil {
		return fmt.Errorf("insert reservations: %w", err)
	}
	if updates.Len() == 0 {
		return nil
	}
	if err := tx.Run(ctx, &updates); err != nil {
		return fmt.Errorf("update reservations: %w", err)
	}
	return nil
}

func scanReservation(row sqldb.Row) (*stock.Reservation, error) {
	var r stock.Reservation
	var lines string
	var expires int64
	if err := row.Scan(&r.OrderID, &r.State, &lines, &expires, &r.Version); err != nil {
		return &r, err
	}
	r.ExpiresAt = sqldb.Time(expires)
	if err := json.Unmarshal([]byte(lines), &r.Lines); err != nil {
		return &r, fmt.Errorf("decode lines of order %s: %w", r.OrderID, err)
	}
	return &r, nil
}

func scanString(row sqldb.Row) (string, error) {
	var s string
	return s, row.Scan(&s)
}

func touchedOne(affected int64) error {
	if affected != 1 {
		return ErrLostRace
	}
	return nil
}

package invariants

import (
	"context"
	"errors"
	"fmt"

	"troupe/platform/sqldb"
)

// OrdersKept checks what must hold whenever no request is open: there is an order
// for each of the ids that customers were given, and no other order.
func OrdersKept(ctx context.Context, d Databases, ids []string) error {
	kept := map[string]bool{}
	_, err := sqldb.All(ctx, d["orders"], func(r sqldb.Row) (struct{}, error) {
		var id string
		err := r.Scan(&id)
		kept[id] = true
		return struct{}{}, err
	}, "SELECT id FROM orders")
	if err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	var errs []error
	for _, id := range ids {
		if !kept[id] {
			errs = append(errs, fmt.Errorf("order %s was accepted, and is lost", id))
		}
		delete(kept, id)
	}
	for id := range kept {
		errs = append(errs, fmt.Errorf("order %s belongs to no request: one request was accepted twice", id))
	}
	return errors.Join(errs...)
}

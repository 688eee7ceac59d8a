package invariants

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"troupe/platform/sqldb"
)

// copies demands that what a service keeps of another's data is what that one has.
func copies(ctx context.Context, d Databases) error {
	return errors.Join(
		same(ctx, "products", d["orders"], "SELECT sku || ' ' || amount || ' ' || active FROM products ORDER BY sku",
			d["inventory"], "SELECT sku || ' ' || price || ' ' || active FROM products ORDER BY sku"),
		same(ctx, "stock", d["orders"], "SELECT sku || ' ' || available FROM stock_levels ORDER BY sku",
			d["inventory"], "SELECT sku || ' ' || available FROM stock ORDER BY sku"),
		same(ctx, "payments", d["orders"], "SELECT id || ' ' || payment FROM orders ORDER BY id",
			d["payments"], "SELECT order_id || ' ' || state FROM payments ORDER BY order_id"),
	)
}

// same compares what orders knows with what the owner has, and shows the first difference.
func same(ctx context.Context, what string, orders sqldb.DB, known string, owner sqldb.DB, owned string) error {
	copied, err := sqldb.All(ctx, orders, text, known)
	if err != nil {
		return fmt.Errorf("%s that orders knows: %w", what, err)
	}
	originals, err := sqldb.All(ctx, owner, text, owned)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if slices.Equal(copied, originals) {
		return nil
	}
	for i, original := range originals {
		if i >= len(copied) || copied[i] != original {
			return fmt.Errorf("the %s that orders knows is %q, but should be %q", what, copied[min(i, len(copied)):min(i+1, len(copied))], original)
		}
	}
	return fmt.Errorf("orders knows of %d %s, but there are %d", len(copied), what, len(originals))
}

func text(r sqldb.Row) (s string, err error) {
	err = r.Scan(&s)
	return s, err
}

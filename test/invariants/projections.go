package invariants

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"troupe/platform/sqldb"
)

// projectionsMatch checks that what a service keeps of another's data is what the owner has.
func projectionsMatch(ctx context.Context, d Databases) error {
	return errors.Join(
		compare(ctx, "products", d["orders"], "SELECT sku || ' ' || amount || ' ' || active FROM products ORDER BY sku",
			d["inventory"], "SELECT sku || ' ' || price || ' ' || active FROM products ORDER BY sku"),
		compare(ctx, "stock", d["orders"], "SELECT sku || ' ' || available FROM stock_levels ORDER BY sku",
			d["inventory"], "SELECT sku || ' ' || available FROM stock ORDER BY sku"),
		compare(ctx, "payments", d["orders"], "SELECT id || ' ' || payment FROM orders ORDER BY id",
			d["payments"], "SELECT order_id || ' ' || state FROM payments ORDER BY order_id"),
	)
}

// compare compares the rows that orders keeps with those of the owner, and returns
// an error that shows the first difference.
func compare(ctx context.Context, what string, orders sqldb.DB, copyQuery string, owner sqldb.DB, ownerQuery string) error {
	copied, err := sqldb.All(ctx, orders, text, copyQuery)
	if err != nil {
		return fmt.Errorf("%s that orders keeps: %w", what, err)
	}
	originals, err := sqldb.All(ctx, owner, text, ownerQuery)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if slices.Equal(copied, originals) {
		return nil
	}
	for i, original := range originals {
		if i >= len(copied) || copied[i] != original {
			return fmt.Errorf("the %s that orders keeps is %q, but should be %q", what, copied[min(i, len(copied)):min(i+1, len(copied))], original)
		}
	}
	return fmt.Errorf("orders keeps %d %s, but there are %d", len(copied), what, len(originals))
}

func text(r sqldb.Row) (s string, err error) {
	err = r.Scan(&s)
	return s, err
}

package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// Product is a product as of this version, which inventory assigns.
type Product struct {
	order.Product
	Version int64
}

// The tables of products and stock are projections of the data of inventory, fed by its
// events.

// Stock is how many pieces of a product could be ordered as of this version, which
// inventory assigns.
type Stock struct {
	SKU       string
	Available int64
	Version   int64
}

// Products adds to b the query for the products of items. When b has run, the map that it
// returns has them by SKU, without those that do not exist.
func Products(b *sqldb.Batch, items []order.Item) map[string]order.Product {
	skus := make([]any, len(items))
	for i, item := range items {
		skus[i] = item.SKU
	}
	products := make(map[string]order.Product, len(items))
	b.QueryIn(`SELECT sku, name, amount, currency, active, COALESCE(available, 0), available IS NOT NULL
		FROM products LEFT JOIN stock_levels USING (sku) WHERE sku`, nil, skus, "",
		func(r sqldb.Row) error {
			var p order.Product
			err := r.Scan(&p.SKU, &p.Name, &p.Price.Amount, &p.Price.Currency, &p.Active, &p.Available, &p.StockKnown)
			products[p.SKU] = p
			return err
		})
	return products
}

// NoProducts reports whether no product is known. Orders are taken without stock levels.
func NoProducts(ctx context.Context, q sqldb.Querier) (bool, error) {
	var n int
	if err := q.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM products LIMIT 1) AS one").Scan(&n); err != nil {
		return false, fmt.Errorf("look for products: %w", err)
	}
	return n == 0, nil
}

// PutProducts stores products, except those of which a newer version is stored.
func PutProducts(ctx context.Context, tx sqldb.Tx, products []Product) error {
	products = newest(products, func(p Product) (string, int64) { return p.SKU, p.Version })
	rows := make([][]any, len(products))
	for i, p := range products {
		rows[i] = []any{p.SKU, p.Name, p.Price.Amount, p.Price.Currency, p.Active, p.Version}
	}
	return sqldb.InsertRows(ctx, tx, "INSERT INTO products (sku, name, amount, currency, active, version)", rows,
		`ON CONFLICT (sku) DO UPDATE SET name = excluded.name, amount = excluded.amount, currency = excluded.currency,
		active = excluded.active, version = excluded.version WHERE excluded.version > products.version`, nil)
}

// PutStock stores stock levels, except those of which a newer version is stored.
func PutStock(ctx context.Context, tx sqldb.Tx, levels []Stock) error {
	levels = newest(levels, func(s Stock) (string, int64) { return s.SKU, s.Version })
	rows := make([][]any, len(levels))
	for i, s := range levels {
		rows[i] = []any{s.SKU, s.Available, s.Version}
	}
	return sqldb.InsertRows(ctx, tx, "INSERT INTO stock_levels (sku, available, version)", rows,
		`ON CONFLICT (sku) DO UPDATE SET available = excluded.available, version = excluded.version
		WHERE excluded.version > stock_levels.version`, nil)
}

// newest returns the highest version of each key, sorted by key: a statement must not
// touch a row twice, and two transactions must touch rows in the same sequence, or
// they could deadlock.
func newest[T any](all []T, key func(T) (string, int64)) []T {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b T) int {
		ka, va := key(a)
		kb, vb := key(b)
		return cmp.Or(cmp.Compare(ka, kb), cmp.Compare(vb, va))
	})
	return slices.CompactFunc(all, func(a, b T) bool {
		ka, _ := key(a)
		kb, _ := key(b)
		return ka == kb
	})
}

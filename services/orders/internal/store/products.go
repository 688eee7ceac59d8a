package store

import (
	"cmp"
	"context"
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

// Products returns the products of items by SKU, without those that do not exist.
func Products(ctx context.Context, q sqldb.Querier, items []order.Item) (map[string]order.Product, error) {
	skus := make([]any, len(items))
	for i, item := range items {
		skus[i] = item.SKU
	}
	products := make(map[string]order.Product, len(items))
	_, err := sqldb.In(ctx, q, `SELECT sku, name, amount, currency, active, COALESCE(available, 0), available IS NOT NULL
		FROM products LEFT JOIN stock_levels USING (sku) WHERE sku`, nil, skus, "",
		func(r sqldb.Row) error {
			var p order.Product
			err := r.Scan(&p.SKU, &p.Name, &p.Price.Amount, &p.Price.Currency, &p.Active, &p.Available, &p.StockKnown)
			products[p.SKU] = p
			return err
		})
	return products, err
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

// Package store keeps products, stock and reservations in the service's database.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"troupe/platform/money"
	"troupe/platform/sqldb"
)

// Migrations create the tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Product is a product on offer.
type Product struct {
	SKU         string
	Name        string
	Description string
	Price       money.Money
	Active      bool
	Version     int64 // 0 if never stored
	Available   int64 // can be ordered now; read only
}

const selectProduct = `SELECT p.sku, p.name, p.description, p.price, p.currency, p.active, p.version, s.available
	FROM products p JOIN stock s ON s.sku = p.sku `

// FindProduct returns the product with the SKU. It reports false if there is none.
func FindProduct(ctx context.Context, q sqldb.Querier, sku string) (Product, bool, error) {
	p, err := scanProduct(q.QueryRow(ctx, selectProduct+"WHERE p.sku = $1", sku))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Product{SKU: sku}, false, nil
	}
	if err != nil {
		return Product{}, false, fmt.Errorf("find product %s: %w", sku, err)
	}
	return p, true, nil
}

// ActiveProducts returns the products on offer whose SKU is greater than after,
// sorted by SKU and at most limit of them.
func ActiveProducts(ctx context.Context, q sqldb.Querier, after string, limit int) ([]Product, error) {
	ps, err := sqldb.All(ctx, q, scanProduct, selectProduct+"WHERE p.active AND p.sku > $1 ORDER BY p.sku LIMIT $2", after, limit)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	return ps, nil
}

// StockedProduct is a product with the version of its stock.
type StockedProduct struct {
	Product
	StockVersion int64
}

// AllProducts returns the products, on offer or not, whose SKU is greater than after,
// sorted by SKU and at most limit of them.
func AllProducts(ctx context.Context, q sqldb.Querier, after string, limit int) ([]StockedProduct, error) {
	products, err := sqldb.All(ctx, q, func(r sqldb.Row) (p StockedProduct, err error) {
		err = r.Scan(&p.SKU, &p.Name, &p.Price.Amount, &p.Price.Currency, &p.Active, &p.Version, &p.Available, &p.StockVersion)
		return p, err
	}, `SELECT p.sku, p.name, p.price, p.currency, p.active, p.version, s.available, s.version
		FROM products p JOIN stock s ON s.sku = p.sku WHERE p.sku > $1 ORDER BY p.sku LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read all products: %w", err)
	}
	return products, nil
}

// NoProducts reports whether the catalogue is empty.
func NoProducts(ctx context.Context, q sqldb.Querier) (bool, error) {
	var n int
	if err := q.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM products LIMIT 1) AS one").Scan(&n); err != nil {
		return false, fmt.Errorf("look for products: %w", err)
	}
	return n == 0, nil
}

// InsertProduct adds a product with nothing in stock. It fails with ErrLostRace if
// another transaction has just added it.
func InsertProduct(ctx context.Context, tx sqldb.Tx, p Product) error {
	n, err := tx.Exec(ctx, `INSERT INTO products (sku, name, description, price, currency, active, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (sku) DO NOTHING`,
		p.SKU, p.Name, p.Description, p.Price.Amount, p.Price.Currency, p.Active, p.Version)
	if err != nil {
		return fmt.Errorf("insert product %s: %w", p.SKU, err)
	}
	if n == 0 {
		return ErrLostRace
	}
	if _, err := tx.Exec(ctx, "INSERT INTO stock (sku, stocked, available, held, committed, version) VALUES ($1, 0, 0, 0, 0, 1)", p.SKU); err != nil {
		return fmt.Errorf("insert stock of %s: %w", p.SKU, err)
	}
	return nil
}

// UpdateProduct stores p, whose version is one higher than the stored one. It fails
// with ErrLostRace if the stored product has another version.
func UpdateProduct(ctx context.Context, tx sqldb.Tx, p Product) error {
	n, err := tx.Exec(ctx, `UPDATE products SET name = $1, description = $2, price = $3, currency = $4, active = $5, version = $6
		WHERE sku = $7 AND version = $8`,
		p.Name, p.Description, p.Price.Amount, p.Price.Currency, p.Active, p.Version, p.SKU, p.Version-1)
	if err != nil {
		return fmt.Errorf("update product %s: %w", p.SKU, err)
	}
	return touchedOne(n)
}

func scanProduct(row sqldb.Row) (Product, error) {
	var p Product
	err := row.Scan(&p.SKU, &p.Name, &p.Description, &p.Price.Amount, &p.Price.Currency, &p.Active, &p.Version, &p.Available)
	return p, err
}

package sqldb_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing/fstest"

	"troupe/platform/sqldb"
)

// A service opens its database, migrates it, and writes in transactions. The same code
// runs on PostgreSQL with a URL that starts with postgres://.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "sqldb-example-")
	check(err)
	defer func() { check(os.RemoveAll(folder)) }()

	db, err := sqldb.Open(ctx, "sqlite://"+filepath.Join(folder, "shop.db"), sqldb.Options{})
	check(err)
	defer func() { check(db.Close()) }()
	check(sqldb.Migrate(ctx, db, migrations))

	// InsertRows writes many rows in few statements.
	products := [][]any{{"cup", 10}, {"tea", 3}}
	check(sqldb.InsertRows(ctx, db, "INSERT INTO stock (sku, available)", products, "", nil))

	// All statements of a transaction take effect, or none of them.
	err = db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		tx.OnCommit(func() { fmt.Println("committed") })
		var b sqldb.Batch
		b.Exec(func(affected int64) error {
			if affected == 0 {
				return fmt.Errorf("not enough tea")
			}
			return nil
		}, "UPDATE stock SET available = available - $1 WHERE sku = $2 AND available >= $1", 2, "tea")
		b.Query(func(r sqldb.Row) error {
			var sku string
			var available int
			err := r.Scan(&sku, &available)
			fmt.Println(sku, available)
			return err
		}, "SELECT sku, available FROM stock ORDER BY sku")
		return tx.Run(ctx, &b)
	})
	check(err)
	// Output:
	// cup 10
	// tea 1
	// committed
}

// migrations are files in goose's format; a service embeds its own with embed.FS.
var migrations = fstest.MapFS{"00001_stock.sql": {Data: []byte(`-- +goose Up
CREATE TABLE stock (sku TEXT PRIMARY KEY, available BIGINT NOT NULL);`)}}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

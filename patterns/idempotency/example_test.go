package idempotency_test

import (
	"context"
	"fmt"
	"time"

	"troupe/patterns/idempotency"
	"troupe/platform/sqldb"
)

// A client sends the same order twice, because the first answer was lost. Then it
// uses the same key for another order by mistake.
func ExampleOnce() {
	ctx := context.Background()
	db, err := sqldb.Open(ctx, "sqlite::memory:", sqldb.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = db.Close() }()
	if err := sqldb.Migrate(ctx, db, idempotency.Migrations); err != nil {
		panic(err)
	}

	placed := 0
	place := func(product string) (number int, replayed bool, err error) {
		r := idempotency.Request{Caller: "alice", Operation: "POST /orders", Key: "c0ffee", Body: product}
		err = db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
			number, replayed, err = idempotency.Once(ctx, tx, r, time.Now(), func() (int, error) {
				placed++ // a real service inserts the order with tx
				return 1000 + placed, nil
			})
			return err
		})
		return number, replayed, err
	}

	fmt.Println(place("mug"))
	fmt.Println(place("mug"))
	_, _, err = place("cap")
	fmt.Println(err)

	// Output:
	// 1001 false <nil>
	// 1001 true <nil>
	// This Idempotency-Key was used for a request with another body; send a new key, or the same body.
}

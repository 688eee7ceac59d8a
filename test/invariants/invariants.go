// Package invariants says what must be true of the whole system's state,
// whatever crashed and in whatever order events came. It reads the databases of
// all services, which no service may do.
package invariants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"troupe/platform/sqldb"
)

// Databases are those of the services by name.
type Databases map[string]sqldb.DB

// world is what the services' tables say, joined.
type world struct {
	orders       []order
	reservations map[string]reservation
	ledger       map[string]balance // by order
	captures     map[string]int64   // effective ones, by order
	shelf        []shelf
}

type order struct {
	id, status, stock, payment string
	paid                       bool
	total, deadline            int64
}

type reservation struct {
	state string
	lines []line
}

type line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// balance is where an order's money is at the provider.
type balance struct{ held, paid int64 }

type shelf struct {
	sku                                 string
	stocked, available, held, committed int64
}

// Always must hold after every step, even in the middle of a crash.
func Always(ctx context.Context, d Databases) error {
	w, err := read(ctx, d)
	if err != nil {
		return err
	}
	return w.always()
}

// Quiet must hold when nothing is left to do: no event on its way, nothing due.
func Quiet(ctx context.Context, d Databases) error {
	w, err := read(ctx, d)
	if err != nil {
		return err
	}
	errs := []error{w.always(), w.quiet()}
	for service, db := range d {
		for _, table := range []string{"outbox", "queue", "parked"} {
			errs = append(errs, empty(ctx, db, service, table))
		}
	}
	errs = append(errs, onceEach(ctx, d["notifications"]), copies(ctx, d))
	return errors.Join(errs...)
}

func (w *world) always() error {
	var errs []error
	held, committed := map[string]int64{}, map[string]int64{}
	for _, r := range w.reservations {
		for _, l := range r.lines {
			switch r.state {
			case "held":
				held[l.SKU] += l.Quantity
			case "committed":
				committed[l.SKU] += l.Quantity
			}
		}
	}
	for _, s := range w.shelf {
		if s.available < 0 || s.available+s.held+s.committed != s.stocked {
			errs = append(errs, fmt.Errorf("stock of %s does not add up: %+v", s.sku, s))
		}
		if s.held != held[s.sku] || s.committed != committed[s.sku] {
			errs = append(errs, fmt.Errorf("stock of %s is %+v, but reservations hold %d and committed %d", s.sku, s, held[s.sku], committed[s.sku]))
		}
	}
	for _, o := range w.orders {
		b := w.ledger[o.id]
		if b.paid != 0 && b.paid != o.total || b.held < 0 || w.captures[o.id] > 1 {
			errs = append(errs, fmt.Errorf("order %s over %d: the provider's ledger has %+v after %d captures", o.id, o.total, b, w.captures[o.id]))
		}
	}
	return errors.Join(errs...)
}

func (w *world) quiet() error {
	var errs []error
	for _, o := range w.orders {
		r, b := w.reservations[o.id], w.ledger[o.id]
		switch o.status {
		case "confirmed", "shipped", "delivered":
			refunded := o.status != "confirmed" && o.payment == "refunded" // goodwill, after shipping
			if r.state != "committed" || b.paid != o.total && !refunded || b.held != 0 || !o.paid {
				errs = append(errs, fmt.Errorf("order %s is %s, but stock is %s, money %+v of %d, paid %t", o.id, o.status, r.state, b, o.total, o.paid))
			}
		case "cancelled":
			if r.state == "held" || r.state == "committed" || b != (balance{}) {
				errs = append(errs, fmt.Errorf("order %s is cancelled, but stock is %s and money %+v", o.id, r.state, b))
			}
		default:
			errs = append(errs, fmt.Errorf("order %s is still %s: stock %s, payment %s", o.id, o.status, o.stock, o.payment))
		}
	}
	return errors.Join(errs...)
}

func empty(ctx context.Context, db sqldb.DB, service, table string) error {
	var n int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		return fmt.Errorf("%s.%s: %w", service, table, err)
	}
	if n > 0 {
		return fmt.Errorf("%s has %d rows left in %s", service, n, table)
	}
	return nil
}

// onceEach: one mail about one thing.
func onceEach(ctx context.Context, db sqldb.DB) error {
	twice, err := sqldb.All(ctx, db, func(r sqldb.Row) (s string, err error) {
		var kind, orderID string
		var n int
		err = r.Scan(&kind, &orderID, &n)
		return fmt.Sprintf("%d mails about %s of order %s", n, kind, orderID), err
	}, `SELECT kind, order_id, count(*) FROM deliveries WHERE order_id <> '' GROUP BY kind, order_id, channel HAVING count(*) > 1`)
	if err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	if len(twice) > 0 {
		return fmt.Errorf("told more than once: %v", twice)
	}
	return nil
}

func read(ctx context.Context, d Databases) (*world, error) {
	w := &world{reservations: map[string]reservation{}, ledger: map[string]balance{}, captures: map[string]int64{}}
	for name, f := range map[string]func(context.Context, sqldb.DB) error{
		"orders": w.readOrders, "inventory": w.readInventory, "payments": w.readPayments,
	} {
		if err := f(ctx, d[name]); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return w, nil
}

func (w *world) readOrders(ctx context.Context, db sqldb.DB) (err error) {
	w.orders, err = sqldb.All(ctx, db, func(r sqldb.Row) (o order, err error) {
		err = r.Scan(&o.id, &o.status, &o.stock, &o.payment, &o.paid, &o.total, &o.deadline)
		return o, err
	}, "SELECT id, status, stock, payment, paid, amount, deadline_at FROM orders")
	return err
}

func (w *world) readInventory(ctx context.Context, db sqldb.DB) (err error) {
	_, err = sqldb.All(ctx, db, func(r sqldb.Row) (struct{}, error) {
		var id, lines string
		var res reservation
		if err := r.Scan(&id, &res.state, &lines); err != nil {
			return struct{}{}, err
		}
		err := json.Unmarshal([]byte(lines), &res.lines)
		w.reservations[id] = res
		return struct{}{}, err
	}, "SELECT order_id, state, lines FROM reservations")
	if err != nil {
		return err
	}
	w.shelf, err = sqldb.All(ctx, db, func(r sqldb.Row) (s shelf, err error) {
		err = r.Scan(&s.sku, &s.stocked, &s.available, &s.held, &s.committed)
		return s, err
	}, "SELECT sku, stocked, available, held, committed FROM stock")
	return err
}

func (w *world) readPayments(ctx context.Context, db sqldb.DB) error {
	_, err := sqldb.All(ctx, db, func(r sqldb.Row) (struct{}, error) {
		var id string
		var b balance
		var captures int64
		err := r.Scan(&id, &b.held, &b.paid, &captures)
		w.ledger[id], w.captures[id] = b, captures
		return struct{}{}, err
	}, `SELECT p.order_id, CAST(sum(l.held) AS BIGINT), CAST(sum(l.paid) AS BIGINT),
			count(CASE WHEN l.kind = 'capture' AND l.denied = '' THEN 1 END)
		FROM provider_ledger l JOIN payments p ON p.id = l.charge GROUP BY p.order_id`)
	return err
}

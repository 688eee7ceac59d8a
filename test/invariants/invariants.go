// Package invariants checks what must be true of the whole system's state, after
// any crash and any order of events. It reads the databases of all services,
// which no service may do.
package invariants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"troupe/platform/sqldb"
)

// Databases are those of the services, by the service's name.
type Databases map[string]sqldb.DB

// state is the content of the services' tables, joined by order.
type state struct {
	orders       []order
	reservations map[string]reservation // by order
	ledger       map[string]balance     // by order
	captures     map[string]int64       // how many took effect, by order
	stock        []stockLevel
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

// balance is an order's money at the payment provider.
type balance struct{ held, paid int64 }

// stockLevel is the stock of one product.
type stockLevel struct {
	sku                                 string
	stocked, available, held, committed int64
}

// Always checks what must hold after every step, even in the middle of a crash.
func Always(ctx context.Context, d Databases) error {
	s, err := read(ctx, d)
	if err != nil {
		return err
	}
	return s.always()
}

// Quiet checks what must hold when nothing is left to do: no event is on its way,
// nothing is due.
func Quiet(ctx context.Context, d Databases) error {
	s, err := read(ctx, d)
	if err != nil {
		return err
	}
	errs := []error{s.always(), s.quiet()}
	for service, db := range d {
		for _, table := range []string{"outbox", "queue", "parked"} {
			errs = append(errs, empty(ctx, db, service, table))
		}
	}
	errs = append(errs, notifiedOnce(ctx, d["notifications"]), projectionsMatch(ctx, d))
	return errors.Join(errs...)
}

func (s *state) always() error {
	var errs []error
	held, committed := map[string]int64{}, map[string]int64{}
	for _, r := range s.reservations {
		for _, l := range r.lines {
			switch r.state {
			case "held":
				held[l.SKU] += l.Quantity
			case "committed":
				committed[l.SKU] += l.Quantity
			}
		}
	}
	for _, l := range s.stock {
		if l.available < 0 || l.available+l.held+l.committed != l.stocked {
			errs = append(errs, fmt.Errorf("stock of %s does not add up: %+v", l.sku, l))
		}
		if l.held != held[l.sku] || l.committed != committed[l.sku] {
			errs = append(errs, fmt.Errorf("stock of %s is %+v, but reservations hold %d and committed %d", l.sku, l, held[l.sku], committed[l.sku]))
		}
	}
	for _, o := range s.orders {
		b := s.ledger[o.id]
		if b.paid != 0 && b.paid != o.total || b.held < 0 || s.captures[o.id] > 1 {
			errs = append(errs, fmt.Errorf("order %s over %d: the provider's ledger has %+v after %d captures", o.id, o.total, b, s.captures[o.id]))
		}
	}
	return errors.Join(errs...)
}

func (s *state) quiet() error {
	var errs []error
	for _, o := range s.orders {
		r, b := s.reservations[o.id], s.ledger[o.id]
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

// empty checks that a service's table has no rows.
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

// notifiedOnce checks that there is at most one mail of each kind about an order, and one
// push to each browser.
func notifiedOnce(ctx context.Context, db sqldb.DB) error {
	twice, err := sqldb.All(ctx, db, func(r sqldb.Row) (s string, err error) {
		var kind, orderID string
		var n int
		err = r.Scan(&kind, &orderID, &n)
		return fmt.Sprintf("%d mails about %s of order %s", n, kind, orderID), err
	}, `SELECT kind, order_id, count(*) FROM deliveries WHERE order_id <> '' GROUP BY kind, order_id, channel, target HAVING count(*) > 1`)
	if err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	if len(twice) > 0 {
		return fmt.Errorf("customers were notified more than once: %v", twice)
	}
	return nil
}

func read(ctx context.Context, d Databases) (*state, error) {
	s := &state{reservations: map[string]reservation{}, ledger: map[string]balance{}, captures: map[string]int64{}}
	for name, f := range map[string]func(context.Context, sqldb.DB) error{
		"orders": s.readOrders, "inventory": s.readInventory, "payments": s.readPayments,
	} {
		if err := f(ctx, d[name]); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return s, nil
}

func (s *state) readOrders(ctx context.Context, db sqldb.DB) (err error) {
	s.orders, err = sqldb.All(ctx, db, func(r sqldb.Row) (o order, err error) {
		err = r.Scan(&o.id, &o.status, &o.stock, &o.payment, &o.paid, &o.total, &o.deadline)
		return o, err
	}, "SELECT id, status, stock, payment, paid, amount, deadline_at FROM orders")
	return err
}

func (s *state) readInventory(ctx context.Context, db sqldb.DB) (err error) {
	_, err = sqldb.All(ctx, db, func(r sqldb.Row) (struct{}, error) {
		var id, lines string
		var res reservation
		if err := r.Scan(&id, &res.state, &lines); err != nil {
			return struct{}{}, err
		}
		err := json.Unmarshal([]byte(lines), &res.lines)
		s.reservations[id] = res
		return struct{}{}, err
	}, "SELECT order_id, state, lines FROM reservations")
	if err != nil {
		return err
	}
	s.stock, err = sqldb.All(ctx, db, func(r sqldb.Row) (l stockLevel, err error) {
		err = r.Scan(&l.sku, &l.stocked, &l.available, &l.held, &l.committed)
		return l, err
	}, "SELECT sku, stocked, available, held, committed FROM stock")
	return err
}

func (s *state) readPayments(ctx context.Context, db sqldb.DB) error {
	_, err := sqldb.All(ctx, db, func(r sqldb.Row) (struct{}, error) {
		var id string
		var b balance
		var captures int64
		err := r.Scan(&id, &b.held, &b.paid, &captures)
		s.ledger[id], s.captures[id] = b, captures
		return struct{}{}, err
	}, `SELECT p.order_id, CAST(sum(l.held) AS BIGINT), CAST(sum(l.paid) AS BIGINT),
			count(CASE WHEN l.kind = 'capture' AND l.denied = '' THEN 1 END)
		FROM provider_ledger l JOIN payments p ON p.id = l.charge GROUP BY p.order_id`)
	return err
}

// Package patterns_test puts outbox, bus and inbox together and lets the process
// die at every point where it can.
package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// Two services: the kitchen hears of guests and cooks a meal for each, the
// waiter hears of meals and serves them.

type (
	guestCame  struct{ Guest string }
	mealCooked struct{ Guest string }
)

func (guestCame) EventType() string        { return "guest.came.v1" }
func (g guestCame) CorrelationID() string  { return g.Guest }
func (mealCooked) EventType() string       { return "meal.cooked.v1" }
func (m mealCooked) CorrelationID() string { return m.Guest }

var topology = bus.Topology{"guest.came.v1": {"kitchen"}, "meal.cooked.v1": {"waiter"}}

// restaurant is what outlives the process: the databases.
type restaurant struct {
	kitchen, waiter sqldb.DB
	now             time.Time
	guests          int
}

// eachDatabase gives a restaurant per kind of database.
func eachDatabase(t *testing.T, test func(t *testing.T, r *restaurant)) {
	t.Parallel()
	kitchens, waiters := sqldbtest.URLs(t), sqldbtest.URLs(t)
	for kind := range kitchens {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := &restaurant{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
			r.kitchen, r.waiter = open(t, kitchens[kind]), open(t, waiters[kind])
			test(t, r)
		})
	}
}

func open(t *testing.T, url string) sqldb.DB {
	t.Helper()
	db := sqldbtest.Open(t, url, sqldb.Options{}, outbox.Migrations, inbox.Migrations, local.Migrations)
	_, err := db.Exec(t.Context(), "CREATE TABLE done (guest TEXT NOT NULL, what TEXT NOT NULL)")
	require.NoError(t, err)
	return db
}

// process is one life of the program: it dies before its operation number left.
type process struct {
	*restaurant
	kitchen, waiter sqldb.DB
	left            int
	steps           []func(context.Context) (int, error)
	said            *outbox.Outbox
}

const immortal = 1 << 30

func (r *restaurant) start(operations int) *process {
	p := &process{restaurant: r, left: operations}
	p.kitchen, p.waiter = mortal{r.kitchen, p}, mortal{r.waiter, p}
	b := local.New(topology, map[string]sqldb.DB{"kitchen": p.kitchen, "waiter": p.waiter}, slog.New(slog.DiscardHandler), local.Sequential())
	cooked := p.outbox("kitchen", p.kitchen, b)
	p.said = p.outbox("waiter", p.waiter, b)
	kitchen := p.inbox("kitchen", p.kitchen, inbox.Handle(func(ctx context.Context, tx sqldb.Tx, g inbox.Received[guestCame]) error {
		return errors.Join(do(ctx, tx, g.Payload.Guest, "cooked"), cooked.Add(ctx, tx, mealCooked(g.Payload)))
	}))
	waiter := p.inbox("waiter", p.waiter, inbox.HandleBatch(func(ctx context.Context, tx sqldb.Tx, ms []inbox.Received[mealCooked]) error {
		for _, m := range ms {
			if err := do(ctx, tx, m.Payload.Guest, "served"); err != nil {
				return err
			}
		}
		return nil
	}))
	p.steps = []func(context.Context) (int, error){
		p.said.Step, cooked.Step, kitchen.Step, waiter.Step,
		func(ctx context.Context) (int, error) { return b.Step(ctx, "kitchen", kitchen.Consume) },
		func(ctx context.Context) (int, error) { return b.Step(ctx, "waiter", waiter.Consume) },
	}
	return p
}

func do(ctx context.Context, tx sqldb.Tx, guest, what string) error {
	_, err := tx.Exec(ctx, "INSERT INTO done (guest, what) VALUES ($1, $2)", guest, what)
	return err
}

func (p *process) outbox(service string, db sqldb.DB, b bus.Publisher) *outbox.Outbox {
	return outbox.New(outbox.Config{Service: service, DB: db, Publisher: b, Now: p.clock, NewID: uuid.NewString})
}

func (p *process) inbox(service string, db sqldb.DB, r inbox.Handler) *inbox.Inbox {
	return inbox.New(inbox.Config{
		Service: service, DB: db, Handlers: []inbox.Handler{r}, Now: p.clock, Log: slog.New(slog.DiscardHandler),
	})
}

func (p *process) clock() time.Time { return p.now }

// welcome takes n guests in; whether the waiter noted them is all that counts.
func (p *process) welcome(ctx context.Context, n int) error {
	return p.waiter.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var facts []event.Payload
		for range n {
			p.guests++
			guest := fmt.Sprint("guest ", p.guests)
			if err := do(ctx, tx, guest, "welcomed"); err != nil {
				return err
			}
			facts = append(facts, guestCame{guest})
		}
		return p.said.Add(ctx, tx, facts...)
	})
}

// settle steps until nothing is left to do, or the process dies.
func (p *process) settle(ctx context.Context) error {
	for {
		did := 0
		for _, step := range p.steps {
			n, err := step(ctx)
			if err != nil {
				return err
			}
			did += n
		}
		if did == 0 {
			return nil
		}
	}
}

// everyGuestIsServedOnce demands that what was committed has all its effects, once,
// and that nothing is left lying about.
func (r *restaurant) everyGuestIsServedOnce(t *testing.T) {
	t.Helper()
	welcomed := r.guestsOf(t, r.waiter, "welcomed")
	require.ElementsMatch(t, welcomed, r.guestsOf(t, r.kitchen, "cooked"))
	require.ElementsMatch(t, welcomed, r.guestsOf(t, r.waiter, "served"))
	for _, db := range []sqldb.DB{r.kitchen, r.waiter} {
		for _, table := range []string{"outbox", "queue", "parked"} {
			var left int
			require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&left))
			require.Zero(t, left, table)
		}
	}
}

func (r *restaurant) guestsOf(t *testing.T, db sqldb.DB, what string) []string {
	t.Helper()
	guests, err := sqldb.All(t.Context(), db, func(r sqldb.Row) (g string, err error) { return g, r.Scan(&g) },
		"SELECT guest FROM done WHERE what = $1", what)
	require.NoError(t, err)
	return guests
}

func TestEveryOrderShipsOnceWhereverTheProcessCrashes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r *restaurant) {
		for operations := 0; ; operations++ {
			first := r.start(operations)
			err := first.welcome(t.Context(), 2)
			if err == nil {
				err = first.settle(t.Context())
			}
			require.NoError(t, r.start(immortal).settle(t.Context()))
			r.everyGuestIsServedOnce(t)
			if err == nil {
				require.Greater(t, operations, 30, "it has died everywhere")
				return
			}
			require.ErrorIs(t, err, errDead)
		}
	})
}

func TestEveryOrderShipsOnceHoweverOftenTheProcessCrashes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, r *restaurant) {
		chance := rand.New(rand.NewPCG(1, 2))
		for range 60 {
			p := r.start(chance.IntN(150))
			if p.welcome(t.Context(), 1+chance.IntN(3)) == nil {
				_ = p.settle(t.Context()) // alive or dead, the next one goes on
			}
			r.now = r.now.Add(time.Minute)
		}
		require.NoError(t, r.start(immortal).settle(t.Context()))
		r.everyGuestIsServedOnce(t)
	})
}

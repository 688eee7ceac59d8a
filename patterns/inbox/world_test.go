package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// The business of these tests is a house that keeps what the post brings: a
// letter for the shelf, one at a time, and coins for the jar, by the handful.

type letterCame struct {
	Text string `json:"text"`
}

func (letterCame) EventType() string       { return "letter.came.v1" }
func (l letterCame) CorrelationID() string { return l.Text }

type coinCame struct {
	Cents int64 `json:"cents"`
}

func (coinCame) EventType() string     { return "coin.came.v1" }
func (coinCame) CorrelationID() string { return "" }

var errTorn = errors.New("the letter is torn")

// house is a service with an inbox, and a clock.
type house struct {
	*inbox.Inbox
	db  sqldb.DB
	now time.Time

	torn    map[string]error // letters that fail, and how
	panics  map[string]bool
	calls   []string // what the reactions were called with, also in vain
	onTry   func()   // called by each letter's reaction
	options []inbox.Option
}

func eachDatabase(t *testing.T, test func(t *testing.T, h *house), o ...inbox.Option) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		_, err := db.Exec(t.Context(), "CREATE TABLE kept (thing TEXT NOT NULL)")
		require.NoError(t, err)
		test(t, newHouse(t, db, o...))
	}, inbox.Migrations)
}

func newHouse(t *testing.T, db sqldb.DB, o ...inbox.Option) *house {
	t.Helper()
	h := &house{
		db: db, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), options: o,
		torn: map[string]error{}, panics: map[string]bool{},
	}
	h.Inbox = h.inboxOn(t, db)
	return h
}

func (h *house) inboxOn(t *testing.T, db sqldb.DB) *inbox.Inbox {
	t.Helper()
	return inbox.New(inbox.Config{
		Service: "house", DB: db,
		Handlers: []inbox.Handler{inbox.Handle(h.keepLetter, h.options...), inbox.HandleBatch(h.keepCoins)},
		Now:      func() time.Time { return h.now },
		Log:      quiet(t),
		Jitter:   func() float64 { return 1 },
	})
}

func (h *house) keepLetter(ctx context.Context, tx sqldb.Tx, r inbox.Received[letterCame]) error {
	h.calls = append(h.calls, r.Payload.Text)
	if h.onTry != nil {
		h.onTry()
	}
	if _, err := tx.Exec(ctx, "INSERT INTO kept (thing) VALUES ($1)", r.Payload.Text); err != nil {
		return err
	}
	if h.panics[r.Payload.Text] {
		panic("letter bomb")
	}
	return h.torn[r.Payload.Text]
}

func (h *house) keepCoins(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[coinCame]) error {
	call := "coins"
	for _, r := range rs {
		call += fmt.Sprintf(" %d", r.Payload.Cents)
		if r.Payload.Cents < 0 {
			h.calls = append(h.calls, call)
			return errors.New("no such coin")
		}
		if _, err := tx.Exec(ctx, "INSERT INTO kept (thing) VALUES ($1)", fmt.Sprint(r.Payload.Cents)); err != nil {
			return err
		}
	}
	h.calls = append(h.calls, call)
	return nil
}

// post puts facts into envelopes.
func (h *house) post(t *testing.T, facts ...event.Payload) (batch []bus.Delivery) {
	t.Helper()
	for _, fact := range facts {
		e, err := event.New(uuid.Must(uuid.NewV7()).String(), "post", h.now, fact)
		require.NoError(t, err)
		batch = append(batch, delivery(t, e))
	}
	return batch
}

func delivery(t *testing.T, e event.Envelope) bus.Delivery {
	t.Helper()
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
}

func (h *house) hears(t *testing.T, batch ...bus.Delivery) {
	t.Helper()
	require.NoError(t, h.Consume(t.Context(), batch))
}

// keeps demands what the house has kept, in any order.
func (h *house) keeps(t *testing.T, want ...string) {
	t.Helper()
	kept, err := sqldb.All(t.Context(), h.db, func(r sqldb.Row) (s string, err error) { return s, r.Scan(&s) },
		"SELECT thing FROM kept")
	require.NoError(t, err)
	require.ElementsMatch(t, want, kept)
}

// letters are the parked events, as "type state attempts".
func (h *house) letters(t *testing.T) (lines []string) {
	t.Helper()
	all, err := h.ParkedEvents(t.Context(), "", 100)
	require.NoError(t, err)
	for _, l := range all {
		lines = append(lines, fmt.Sprintf("%s %s %d", l.Type, l.State, l.Attempts))
	}
	return lines
}

func (h *house) step(t *testing.T, want int) {
	t.Helper()
	n, err := h.Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, n)
}

func quiet(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// StepInterrupted steps with something happening between the claim of a
// parked event and its reaction.
func (h *house) StepInterrupted(t *testing.T, meanwhile func()) error {
	t.Helper()
	slow := h.inboxOn(t, pausing{h.db, meanwhile})
	_, err := slow.Step(t.Context())
	return err
}

// pausing is a database that waits before each transaction.
type pausing struct {
	sqldb.DB
	before func()
}

func (p pausing) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	p.before()
	return p.DB.Tx(ctx, fn)
}

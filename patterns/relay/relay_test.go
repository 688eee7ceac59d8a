package relay_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/relay"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// queue accepts messages until it is set to fail.
type queue struct {
	mu     sync.Mutex
	events []event.Envelope
	fails  func(event.Envelope) bool
}

func (q *queue) Publish(_ context.Context, messages []bus.Message) []error {
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		e, err := event.Decode(m.Body)
		switch {
		case err != nil:
			errs[i] = err
		case q.fails != nil && q.fails(e):
			errs[i] = bus.ErrUnavailable
		default:
			q.events = append(q.events, e)
		}
	}
	return errs
}

// seen returns "key data" of the events that a consumer handles: each id once.
func (q *queue) seen() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var seen []string
	ids := map[string]bool{}
	for _, e := range q.events {
		if !ids[e.ID] {
			seen = append(seen, e.CorrelationID+" "+string(e.Data))
		}
		ids[e.ID] = true
	}
	return seen
}

// each runs a test on each database, with the outbox table of a monolith in it.
func each(t *testing.T, test func(t *testing.T, db sqldb.DB)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		_, err := db.Exec(t.Context(), `CREATE TABLE troupe_outbox (position BIGINT PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL,
			key TEXT NOT NULL, data TEXT NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, error TEXT NOT NULL DEFAULT '')`)
		require.NoError(t, err)
		test(t, db)
	})
}

// write writes an event as the monolith does.
func write(t *testing.T, db sqldb.DB, position int, eventType, key, data string) {
	t.Helper()
	_, err := db.Exec(t.Context(), "INSERT INTO troupe_outbox (position, id, type, key, data) VALUES ($1, $2, $3, $4, $5)",
		position, uuid.NewString(), eventType, key, data)
	require.NoError(t, err)
}

// numbered returns a schema whose data may have a number.
func numbered(string) ([]byte, error) {
	return []byte(`{"type": "object", "properties": {"n": {"type": "integer"}, "lines": {"type": "array", "items": {"type": "string"}}}}`), nil
}

func start(t *testing.T, db sqldb.DB, to bus.Publisher) *relay.Relay {
	t.Helper()
	r, err := relay.New(relay.Config{
		From: db, To: to, Table: "troupe_outbox", Source: "monolith", Types: []string{"order.paid.v1"}, Schema: numbered,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	return r
}

// drain steps a relay until it has nothing to do.
func drain(t *testing.T, r *relay.Relay) {
	t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = r.Step(t.Context())
		require.NoError(t, err)
	}
}

func left(t *testing.T, db sqldb.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT COUNT(*) FROM troupe_outbox").Scan(&n))
	return n
}

func TestRowsBecomeEventsAndLeaveTheTable(t *testing.T) {
	each(t, func(t *testing.T, db sqldb.DB) {
		write(t, db, 1, "order.paid.v1", "o1", `{"n":1}`)
		q := &queue{}
		drain(t, start(t, db, q))
		require.Equal(t, []string{`o1 {"n":1}`}, q.seen())
		require.Equal(t, "monolith", q.events[0].Source)
		require.Equal(t, "order.paid.v1", q.events[0].Type)
		require.False(t, q.events[0].Time.IsZero())
		require.Zero(t, left(t, db))
	})
}

// The program makes its ids at random, as Django's uuid4 does.
func TestIDsSortAsTheEventsWereWritten(t *testing.T) {
	each(t, func(t *testing.T, db sqldb.DB) {
		q := &queue{}
		for i := range 20 {
			write(t, db, i+1, "order.paid.v1", "o1", "{}")
		}
		drain(t, start(t, db, q))
		require.Len(t, q.events, 20)
		for i, e := range q.events {
			require.Equal(t, uuid.Version(7), uuid.MustParse(e.ID).Version())
			require.Equal(t, e.Time.UnixMilli(), int64(binary.BigEndian.Uint64(uuidBytes(e.ID))>>16))
			require.True(t, i == 0 || q.events[i-1].ID < e.ID, "%d: %s", i, e.ID)
		}

		written := uuid.Must(uuid.NewV7()).String()
		_, err := db.Exec(t.Context(), "INSERT INTO troupe_outbox (position, id, type, key, data) VALUES (99, $1, 'order.paid.v1', 'o1', '{}')", written)
		require.NoError(t, err)
		drain(t, start(t, db, q))
		require.Equal(t, written, q.events[20].ID, "an id that sorts already stays")
	})
}

func uuidBytes(id string) []byte {
	u := uuid.MustParse(id)
	return u[:8]
}

// The bus fails in the middle of a batch: what comes after the failed event waits, if it
// has the same key, and nothing is lost.
func TestEventsOfAKeyKeepTheirOrderThroughFailures(t *testing.T) {
	each(t, func(t *testing.T, db sqldb.DB) {
		for i := range 6 {
			write(t, db, i, "order.paid.v1", fmt.Sprintf("o%d", i%2), fmt.Sprintf(`{"n":%d}`, i))
		}
		failures := 3
		q := &queue{fails: func(e event.Envelope) bool {
			failures--
			return e.CorrelationID == "o0" && failures > 0
		}}
		r := start(t, db, q)
		_, err := r.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorContains(t, err, "1 of 2 events wait")
		for left(t, db) > 0 {
			_, err := r.Step(t.Context())
			require.True(t, err == nil || errors.Is(err, bus.ErrUnavailable), "%v", err)
		}
		requireOrder(t, q.seen(), 6)
	})
}

func requireOrder(t *testing.T, seen []string, n int) {
	t.Helper()
	require.Len(t, seen, n)
	last := map[string]int{}
	for _, s := range seen {
		var key string
		var i int
		_, err := fmt.Sscanf(s, `%s {"n":%d}`, &key, &i)
		require.NoError(t, err)
		previous, known := last[key]
		require.True(t, !known || previous < i, "%s came after %d", s, previous)
		last[key] = i
	}
}

// Two relays may publish an event twice. A consumer, which drops the second copy, still
// gets the events of a key in their order.
func TestSeveralRelaysAreSafe(t *testing.T) {
	each(t, func(t *testing.T, db sqldb.DB) {
		const n = 60
		for i := range n {
			write(t, db, i, "order.paid.v1", fmt.Sprintf("o%d", i%5), fmt.Sprintf(`{"n":%d}`, i))
		}
		q := &queue{}
		var wait sync.WaitGroup
		for range 3 {
			r := start(t, db, q)
			wait.Go(func() {
				for done := 1; done > 0; {
					var err error
					if done, err = r.Step(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wait.Wait()
		require.Zero(t, left(t, db))
		requireOrder(t, q.seen(), n)
	})
}

// A relay that is killed between the confirmation and the delete publishes the event a
// second time, under the same id.
func TestAKilledRelayLosesNothingAndRepeatsUnderTheSameID(t *testing.T) {
	each(t, func(t *testing.T, db sqldb.DB) {
		write(t, db, 1, "order.paid.v1", "o1", `{"n":1}`)
		q := &queue{}
		killed, kill := context.WithCancel(t.Context())
		q.fails = func(event.Envelope) bool { kill(); return false }
		_, err := start(t, db, q).Step(killed)
		require.Error(t, err)
		require.Equal(t, 1, left(t, db))

		q.fails = nil
		drain(t, start(t, db, q))
		require.Len(t, q.events, 2)
		require.Equal(t, []string{`o1 {"n":1}`}, q.seen())
		require.Zero(t, left(t, db))
	})
}

func TestARowThatIsNoEventIsRefusedAndHoldsUpItsKeyAlone(t *testing.T) {
	each(t, func(t *testing.T, db sqldb.DB) {
		write(t, db, 1, "order.paid", "o1", `{"n":1}`)
		write(t, db, 2, "order.paid.v1", "o1", `{"n":2}`)
		write(t, db, 3, "order.paid.v1", "o2", `{"n":3}`)
		write(t, db, 4, "order.paid.v1", "o3", `[]`)
		write(t, db, 5, "order.paid.v1", "", `{"n":5}`)
		q := &queue{}
		r := start(t, db, q)
		drain(t, r)
		require.Equal(t, []string{`o2 {"n":3}`}, q.seen())
		require.Equal(t, 4, left(t, db))
		var reason string
		require.NoError(t, db.QueryRow(t.Context(), "SELECT error FROM troupe_outbox WHERE position = 1").Scan(&reason))
		require.Equal(t, `type "order.paid" is not one of those that may be published: order.paid.v1`, reason)

		_, err := db.Exec(t.Context(), "UPDATE troupe_outbox SET type = 'order.paid.v1', error = '' WHERE position = 1")
		require.NoError(t, err)
		drain(t, r)
		require.Equal(t, []string{`o2 {"n":3}`, `o1 {"n":1}`, `o1 {"n":2}`}, q.seen())
	})
}

// What every consumer would park as a dead letter is not published.
func TestDataThatDoNotMatchTheSchemaAreRefusedUntilTheRowIsCorrected(t *testing.T) {
	each(t, func(t *testing.T, db sqldb.DB) {
		write(t, db, 1, "order.paid.v1", "o1", `{"n":"one","lines":[1]}`)
		write(t, db, 2, "order.paid.v1", "o1", `{"n":2}`)
		write(t, db, 3, "order.paid.v1", "o2", `{"n":3}`)
		q := &queue{}
		r := start(t, db, q)
		drain(t, r)
		require.Equal(t, []string{`o2 {"n":3}`}, q.seen())
		var reason string
		require.NoError(t, db.QueryRow(t.Context(), "SELECT error FROM troupe_outbox WHERE position = 1").Scan(&reason))
		require.Contains(t, reason, "the data do not match the schema of order.paid.v1")
		require.Contains(t, reason, "data.n: ")
		require.Contains(t, reason, "data.lines.0: ")

		_, err := db.Exec(t.Context(), "UPDATE troupe_outbox SET data = '{\"n\":1}', error = '' WHERE position = 1")
		require.NoError(t, err)
		drain(t, r)
		require.Equal(t, []string{`o2 {"n":3}`, `o1 {"n":1}`, `o1 {"n":2}`}, q.seen())
		require.Zero(t, left(t, db))
	})
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for reason, c := range map[string]relay.Config{
		"cannot be the name of the outbox table": {Table: "x; DROP TABLE y", Source: "monolith", Types: []string{"a.b.v1"}},
		"cannot be the source of events":         {Table: "outbox", Types: []string{"a.b.v1"}},
		"name the types":                         {Table: "outbox", Source: "monolith"},
	} {
		_, err := relay.New(c)
		require.ErrorContains(t, err, reason)
	}
}

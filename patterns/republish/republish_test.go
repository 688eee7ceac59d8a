package republish_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/outbox"
	"troupe/patterns/republish"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// The service in these tests owns books, of which others keep a copy.
type bookChanged struct {
	Title string `json:"title"`
}

func (bookChanged) EventType() string       { return "book.changed.v1" }
func (e bookChanged) CorrelationID() string { return e.Title }

// library is the service, with what its relay has published.
type library struct {
	*republish.Publisher
	db        sqldb.DB
	outbox    *outbox.Outbox
	now       time.Time
	ids       int
	published []string
	down      bool // the bus
}

func eachDatabase(t *testing.T, books int, test func(t *testing.T, l *library)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		l := &library{db: db, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
		_, err := db.Exec(t.Context(), "CREATE TABLE books (title TEXT PRIMARY KEY)")
		require.NoError(t, err)
		for n := range books {
			l.add(t, fmt.Sprintf("book %02d", n+1))
		}
		l.outbox = outbox.New(outbox.Config{
			Service: "library", DB: db, Publisher: l, Now: func() time.Time { return l.now },
			NewID: func() string { l.ids++; return fmt.Sprintf("id-%05d", l.ids) },
		})
		l.restart()
		test(t, l)
	}, outbox.Migrations, republish.Migrations)
}

// restart forgets everything that is not in the database.
func (l *library) restart() {
	l.Publisher = &republish.Publisher{Config: republish.Config{
		DB: l.db, Outbox: l.outbox, Rows: 2, Now: func() time.Time { return l.now },
		Sources:   []republish.Source{{Name: "books", Types: []string{"book.changed.v1"}, Page: books}},
		Consumers: func(string) []string { return []string{"shop", "reviews"} },
	}}
}

func books(ctx context.Context, q sqldb.Querier, after string, limit int) (payloads []event.Payload, last string, err error) {
	titles, err := sqldb.All(ctx, q, func(r sqldb.Row) (title string, err error) { return title, r.Scan(&title) },
		"SELECT title FROM books WHERE title > $1 ORDER BY title LIMIT $2", after, limit)
	for _, title := range titles {
		payloads = append(payloads, bookChanged{title})
		last = title
	}
	return payloads, last, err
}

func (l *library) add(t *testing.T, title string) {
	t.Helper()
	_, err := l.db.Exec(t.Context(), "INSERT INTO books (title) VALUES ($1)", title)
	require.NoError(t, err)
}

func (l *library) Publish(_ context.Context, messages []bus.Message) []error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		e, err := event.Decode(m.Body)
		if errs[i] = err; l.down {
			errs[i] = bus.ErrUnavailable
			continue
		}
		l.published = append(l.published, string(e.Data)+e.Recipient)
	}
	return errs
}

func (l *library) start(t *testing.T, consumer string) (s republish.State, err error) {
	t.Helper()
	err = l.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) (err error) {
		s, err = l.Start(ctx, tx, "books", consumer)
		return err
	})
	return s, err
}

func (l *library) request(t *testing.T) {
	t.Helper()
	require.NoError(t, l.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		return l.Requested(ctx, tx, "books", "shop")
	}))
}

// pages steps the publisher and the relay, and returns how many events each page had.
func (l *library) pages(t *testing.T, most int) (pages []int) {
	t.Helper()
	for range most {
		n, err := l.Step(t.Context())
		require.NoError(t, err)
		pages = append(pages, n)
		if !l.down {
			_, err = l.outbox.Step(t.Context())
			require.NoError(t, err)
		}
	}
	return pages
}

func (l *library) state(t *testing.T) republish.State {
	t.Helper()
	states, err := l.States(t.Context())
	require.NoError(t, err)
	require.Len(t, states, 1)
	return states[0]
}

func TestEverythingIsPublishedAgainAPageAtATime(t *testing.T) {
	eachDatabase(t, 5, func(t *testing.T, l *library) {
		_, err := l.start(t, "")
		require.NoError(t, err)
		require.Equal(t, []int{2, 2, 1, 0, 0}, l.pages(t, 5))
		require.Equal(t, []string{
			`{"title":"book 01"}`, `{"title":"book 02"}`, `{"title":"book 03"}`, `{"title":"book 04"}`, `{"title":"book 05"}`,
		}, l.published)
		require.EqualValues(t, 5, l.state(t).Published)
		require.False(t, l.state(t).Finished.IsZero())

		_, err = l.start(t, "")
		require.NoError(t, err)
		l.pages(t, 4)
		require.Len(t, l.published, 10, "a further run publishes everything again")
	})
}

// A second run goes on where the first one was interrupted.
func TestARepublicationGoesOnAfterAnInterruption(t *testing.T) {
	eachDatabase(t, 5, func(t *testing.T, l *library) {
		_, err := l.start(t, "")
		require.NoError(t, err)
		l.pages(t, 1)
		l.restart()
		state, err := l.start(t, "")
		require.NoError(t, err)
		require.EqualValues(t, 2, state.Published)
		l.add(t, "book 06")
		l.pages(t, 4)
		require.Len(t, l.published, 6, "each once, and what was added on the way")
	})
}

// The consumer that asks may have lost the pages that it had got before.
func TestARequestDuringARepublicationStartsItOver(t *testing.T) {
	eachDatabase(t, 3, func(t *testing.T, l *library) {
		l.request(t)
		l.pages(t, 1)
		l.request(t)
		l.request(t)
		require.Equal(t, []int{1, 0, 2, 1, 0, 0}, l.pages(t, 6), "once more, not twice")
		require.Len(t, l.published, 6)
		require.Equal(t, `{"title":"book 01"}shop`, l.published[0], "to this consumer alone")
	})
}

func TestARepublicationWaitsWhileTheOutboxIsBehind(t *testing.T) {
	eachDatabase(t, 5, func(t *testing.T, l *library) {
		_, err := l.start(t, "")
		require.NoError(t, err)
		l.down = true
		l.pages(t, 1)
		l.now = l.now.Add(10 * time.Second)
		require.Equal(t, []int{0, 0}, l.pages(t, 2))
		l.down = false
		require.Equal(t, []int{0, 2, 1, 0}, l.pages(t, 4))
		require.Len(t, l.published, 5)
	})
}

func TestWhatCannotBeRepublishedIsRefused(t *testing.T) {
	eachDatabase(t, 1, func(t *testing.T, l *library) {
		_, err := l.start(t, "kitchen")
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		require.ErrorContains(t, err, `"kitchen" does not consume books; give one of reviews, shop`)
		err = l.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			_, err := l.Start(ctx, tx, "films", "")
			return err
		})
		require.Equal(t, fault.NotFound, fault.KindOf(err))
		require.ErrorContains(t, err, `does not publish "films" again; it can publish books`)
	})
}

// shop keeps a copy of the books.
type shop struct {
	*republish.Requester
	now   time.Time
	empty bool
	asked []string
}

func newShop(db sqldb.DB) *shop {
	s := &shop{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), empty: true}
	s.restart(db)
	return s
}

func (s *shop) restart(db sqldb.DB) {
	s.Requester = &republish.Requester{
		DB: db, Now: func() time.Time { return s.now },
		Projections: []republish.Projection{{Name: "books", Empty: func(context.Context, sqldb.Querier) (bool, error) { return s.empty, nil }}},
		Request: func(_ context.Context, _ sqldb.Tx, projection string) error {
			s.asked = append(s.asked, projection)
			return nil
		},
	}
}

func (s *shop) after(t *testing.T, d time.Duration) {
	t.Helper()
	s.now = s.now.Add(d)
	_, err := s.Step(t.Context())
	require.NoError(t, err)
}

func TestAServiceAsksOnceForWhatItHasLost(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		s := newShop(db)
		s.after(t, 0)
		s.after(t, 9*time.Second)
		require.Empty(t, s.asked, "the events of a first start may be on their way")
		s.after(t, time.Second)
		s.after(t, time.Hour)
		require.Equal(t, []string{"books"}, s.asked)

		other := newShop(db)
		other.now = s.now.Add(-time.Hour)
		other.after(t, 0)
		other.after(t, 10*time.Second)
		require.Empty(t, other.asked, "another replica has asked")

		s.restart(db)
		s.after(t, 0)
		s.after(t, time.Minute)
		require.Equal(t, []string{"books", "books"}, s.asked, "it was lost again")
	}, republish.Migrations)
}

func TestAServiceThatHasItsCopyAsksForNothing(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		s := newShop(db)
		s.after(t, 0)
		s.empty = false
		s.after(t, time.Second)
		s.empty = true
		s.after(t, time.Hour)
		require.Empty(t, s.asked)
	}, republish.Migrations)
}

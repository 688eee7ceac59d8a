package eventfeed

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"troupe/patterns/event/schema"
	"troupe/patterns/feed"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

const (
	// scanned is how many events a read looks at; those that the client may not read are
	// passed over.
	scanned = 200
	// readBytes bounds the bytes that a read takes from the log: an event that begins before
	// this many is taken as well.
	readBytes   = 1 << 20
	pruneBatch  = 1000
	mostReaders = 500
	perClient   = 5
	topic       = "events"
	lookEvery   = 250 * time.Millisecond // how often waiting readers look for events
)

// Config configures a Feed. All fields are required.
type Config struct {
	Service string
	Types   []string // the types of events that the service publishes
	DB      sqldb.DB
	Outbox  *outbox.Outbox
	Schema  func(eventType string) ([]byte, error)
	Now     func() time.Time
	NewID   func() string
	Keep    time.Duration // how long events are kept
	Most    int64         // how many are kept
}

// Feed is the feed of one service.
type Feed struct {
	config  Config
	waiting *feed.Feed
	schemas schema.Schemas
}

// New returns a feed. It fails if a schema is invalid.
func New(c Config) (*Feed, error) {
	f := &Feed{config: c}
	f.waiting = feed.New(feed.Config{Most: mostReaders, PerUser: perClient, Positions: f.positions})
	var err error
	f.schemas, err = schema.Compile(c.Types, c.Schema)
	return f, err
}

// Workers returns the loops of the feed.
func (f *Feed) Workers() []worker.Worker {
	return []worker.Worker{
		{Name: "event feed", Step: f.waiting.Step, Interval: lookEvery},
		{Name: "event log retention", Background: true, Step: f.prune, Interval: time.Minute},
	}
}

// Stop ends all waiting readers.
func (f *Feed) Stop() { f.waiting.Stop() }

// Open returns a reader with which a client waits for events.
func (f *Feed) Open(c Client) (*feed.Reader, error) { return f.waiting.Open(c.ID, topic) }

// Logged is an event in the log.
type Logged struct {
	Position int64
	Body     json.RawMessage // the encoded event
	kind     string
}

// Page is what follows a position.
type Page struct {
	Events []Logged
	Next   int64 // the position to continue after
	More   bool  // whether more was there to look at
}

// selectNext returns the events after a position of which those before them have fewer bytes
// than the bound. It sums sizes, and reads the bodies of what it returns alone.
const selectNext = `SELECT l.position, l.type, l.body FROM event_log l JOIN (
		SELECT position, sum(size) OVER (ORDER BY position) - size AS earlier FROM (
			SELECT position, octet_length(body) AS size FROM event_log WHERE position > $1 ORDER BY position LIMIT $2) AS sized) AS summed
	ON summed.position = l.position WHERE summed.earlier < $3 ORDER BY l.position`

// Read returns up to limit events that the client may read, after a position. It holds about
// 1 MiB of events, or a single one that is larger.
func (f *Feed) Read(ctx context.Context, c Client, after int64, limit int) (Page, error) {
	all, err := sqldb.All(ctx, f.config.DB, scanLogged, selectNext, after, scanned, readBytes)
	if err != nil {
		return Page{}, fmt.Errorf("read the log of events: %w", err)
	}
	if err := f.CheckPosition(ctx, after); err != nil {
		return Page{}, err
	}
	page, bytes := Page{Next: after}, 0
	for _, e := range all {
		bytes += len(e.Body)
	}
	page.More = len(all) == scanned || bytes >= readBytes
	for _, e := range all {
		if len(page.Events) == limit {
			page.More = true
			break
		}
		page.Next = e.Position
		if c.MayRead(e.kind) {
			page.Events = append(page.Events, e)
		}
	}
	return page, nil
}

func scanLogged(r sqldb.Row) (e Logged, err error) {
	var body string
	err = r.Scan(&e.Position, &e.kind, &body)
	e.Body = json.RawMessage(body)
	return e, err
}

// CheckPosition refuses a position after which events are missing. A read calls it after the
// events, so that what a retention deletes meanwhile counts.
func (f *Feed) CheckPosition(ctx context.Context, after int64) error {
	var last, keptAfter int64
	err := f.config.DB.QueryRow(ctx, "SELECT last_position, kept_after FROM event_log_end WHERE id = 1").Scan(&last, &keptAfter)
	switch {
	case err != nil:
		return fmt.Errorf("read the end of the log of events: %w", err)
	case after < keptAfter && after != 0:
		return fault.New(fault.Conflict, "cursor_too_old",
			"events after %d are no longer kept: some are missing; begin again with after=%d", after, keptAfter)
	case after > last:
		return fault.New(fault.Conflict, "cursor_unknown",
			"%d is after the latest event, %d: the log was restored or begun again; begin again with after=0", after, last)
	}
	return nil
}

func (f *Feed) positions(ctx context.Context, _ []string) (map[string]int64, error) {
	var last int64
	err := f.config.DB.QueryRow(ctx, "SELECT last_position FROM event_log_end WHERE id = 1").Scan(&last)
	return map[string]int64{topic: last}, err
}

// selectOld returns the last position to delete. It looks at the oldest events alone, and
// not at all that are kept: there is no index of their times.
const selectOld = `SELECT COALESCE(max(position), 0) FROM (SELECT position, logged_at FROM event_log ORDER BY position LIMIT $3) AS oldest
	WHERE logged_at < $1 OR position <= (SELECT last_position FROM event_log_end WHERE id = 1) - $2`

// prune deletes events that are too old or too many, a bounded number at a time, and
// forgets which events of outside it has received, much later.
func (f *Feed) prune(ctx context.Context) (deleted int, err error) {
	now := f.config.Now()
	err = f.config.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM events_received WHERE received_at < $1", sqldb.Micros(now.Add(-receivedKeep))); err != nil {
			return err
		}
		var until int64
		err := tx.QueryRow(ctx, selectOld, sqldb.Micros(now.Add(-f.config.Keep)), f.config.Most, pruneBatch).Scan(&until)
		if err != nil || until == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE event_log_end SET kept_after = $1 WHERE id = 1 AND kept_after < $1", until); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "DELETE FROM event_log WHERE position <= $1", until)
		deleted = int(n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete old events from the log: %w", err)
	}
	return deleted, nil
}

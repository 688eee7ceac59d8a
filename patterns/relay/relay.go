// Package relay publishes the events of a program that is not part of the system, such as
// a monolith that is being replaced. The program writes them into an outbox table of its
// own database, in the transaction that changes its data; the relay reads them there.
//
// An event is published at least once: the relay deletes a row when every consumer's queue
// has the event, and consumers drop a second copy by its id. Events of one key are
// published in the order of their positions: the relay takes the next one of a key only
// when the one before is deleted. Both hold for any number of relays, which need no lock.
//
// A row that is no valid event is not published. The relay records the reason in its
// column error, and leaves out later rows of the same key until someone has corrected it
// and emptied the column, or has deleted the row. Rows of other keys are not held up. An event
// is valid if its data match the JSON Schema of its type, as for one that comes by HTTP.
package relay

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/event/schema"
	"troupe/patterns/worker"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

const (
	// batchSize bounds the rows that are read at a time.
	batchSize = 200
	// maxKey is the longest key.
	maxKey = 255
	// mostPlaces bounds the places in which data do not match that a refusal names.
	mostPlaces = 5
)

// Config describes a relay.
type Config struct {
	From   sqldb.DB                               // the database with the outbox table
	Table  string                                 // its name
	To     bus.Publisher                          // where the events go
	Source string                                 // the name of the program, which becomes the source of its events
	Types  []string                               // the types that the program may publish
	Schema func(eventType string) ([]byte, error) // returns the JSON Schema of the data of a type
	Log    *slog.Logger
}

// Relay publishes the rows of an outbox table.
type Relay struct {
	Config
	schemas schema.Schemas
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// New returns a relay. It fails if the config or a schema is not valid.
func New(c Config) (*Relay, error) {
	switch {
	case !identifier.MatchString(c.Table):
		return nil, fmt.Errorf("%q cannot be the name of the outbox table: use lower-case letters, digits and _", c.Table)
	case !identifier.MatchString(c.Source):
		return nil, fmt.Errorf("%q cannot be the source of events: use lower-case letters, digits and _, for example monolith", c.Source)
	case len(c.Types) == 0:
		return nil, errors.New("name the types of the events that may be published")
	}
	schemas, err := schema.Compile(c.Types, c.Schema)
	return &Relay{c, schemas}, err
}

// Worker returns the worker that runs the relay.
func (r *Relay) Worker(interval time.Duration) worker.Worker {
	return worker.Worker{Name: "relay", Step: r.Step, Interval: interval}
}

// row is a row of the outbox table.
type row struct {
	position                       int64
	id, eventType, key, data, when string
}

// Step publishes the next event of each key, up to a limit. It returns how many events
// left the table or were refused. An error means that some have to be tried again.
func (r *Relay) Step(ctx context.Context) (int, error) {
	rows, err := r.next(ctx)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	var messages []bus.Message
	var sent []row
	refused := 0
	for _, row := range rows {
		m, err := r.message(row)
		if err == nil {
			messages, sent = append(messages, m), append(sent, row)
			continue
		}
		refused++
		if err := r.refuse(ctx, row, err); err != nil {
			return refused, err
		}
	}
	confirmed, err := r.publish(ctx, messages, sent)
	return refused + confirmed, err
}

// publish publishes messages and deletes the rows of those that were confirmed.
func (r *Relay) publish(ctx context.Context, messages []bus.Message, rows []row) (confirmed int, _ error) {
	if len(messages) == 0 {
		return 0, nil
	}
	var failed []error
	for i, err := range r.To.Publish(ctx, messages) {
		if err != nil {
			failed = append(failed, fmt.Errorf("publish row %d: %w", rows[i].position, err))
			continue
		}
		if _, err := r.From.Exec(ctx, "DELETE FROM "+r.Table+" WHERE position = $1", rows[i].position); err != nil {
			return confirmed, fmt.Errorf("delete row %d: %w", rows[i].position, err)
		}
		confirmed++
	}
	if len(failed) > 0 {
		return confirmed, fmt.Errorf("%d of %d events wait: %w", len(failed), len(rows), failed[0])
	}
	return confirmed, nil
}

// next returns the first row of each key, oldest first, of the oldest rows of the table.
// Keys with a row that was refused are left out.
func (r *Relay) next(ctx context.Context) ([]row, error) {
	all, err := sqldb.All(ctx, r.From, scan, `SELECT position, CAST(id AS TEXT), type, key, CAST(data AS TEXT), CAST(created_at AS TEXT)
		FROM `+r.Table+` WHERE key NOT IN (SELECT key FROM `+r.Table+` WHERE error <> '') ORDER BY position LIMIT $1`, batchSize)
	if err != nil {
		return nil, fmt.Errorf("read the outbox table %s: %w", r.Table, err)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(row row) bool {
		before := seen[row.key]
		seen[row.key] = true
		return before
	}), nil
}

func scan(r sqldb.Row) (row row, err error) {
	err = r.Scan(&row.position, &row.id, &row.eventType, &row.key, &row.data, &row.when)
	return row, err
}

// message returns the event of a row, or why it is none.
func (r *Relay) message(row row) (bus.Message, error) {
	id, err := uuid.Parse(row.id)
	if err != nil {
		return bus.Message{}, fmt.Errorf("id %q is no UUID", row.id)
	}
	if !slices.Contains(r.Types, row.eventType) {
		return bus.Message{}, fmt.Errorf("type %q is not one of those that may be published: %s", row.eventType, strings.Join(r.Types, ", "))
	}
	if row.key == "" || len(row.key) > maxKey {
		return bus.Message{}, fmt.Errorf("key has %d bytes: it must have 1 to %d", len(row.key), maxKey)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row.data), &object); err != nil || object == nil {
		return bus.Message{}, errors.New("data is no JSON object")
	}
	if err := r.schemas.Validate(row.eventType, []byte(row.data)); err != nil {
		return bus.Message{}, withPlaces(err)
	}
	at, err := parseTime(row.when)
	if err != nil {
		return bus.Message{}, err
	}
	id = sortable(id, at, row.position)
	body, err := event.Encode(event.Envelope{
		ID: id.String(), Source: r.Source, Type: row.eventType, Time: at, CorrelationID: row.key, Data: json.RawMessage(row.data),
	})
	if err == nil && len(body) > event.MaxSize {
		err = fmt.Errorf("the event has %d bytes: at most %d are allowed", len(body), event.MaxSize)
	}
	return bus.Message{ID: id.String(), Type: row.eventType, Body: body}, err
}

// withPlaces returns the error of a row whose data do not match, with the first places: the
// column error is read by people.
func withPlaces(err error) error {
	refusal, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	parts := []string{refusal.Message}
	for _, field := range refusal.Fields[:min(len(refusal.Fields), mostPlaces)] {
		parts = append(parts, strings.TrimPrefix(field.Location, "body.")+": "+field.Message)
	}
	return errors.New(strings.Join(parts, "; "))
}

// sortable returns the id of an event whose row has the id: a UUIDv7, the same each time.
// Consumers sort events by their ids, and forget old ones by the time in them. The position
// sorts events of the same time.
func sortable(id uuid.UUID, at time.Time, position int64) uuid.UUID {
	if id.Version() == 7 {
		return id
	}
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|uint64(position)&0xfff)
	id[8] = id[8]&0x3f | 0x80
	return id
}

// timeLayouts are the forms in which PostgreSQL and SQLite return times as text. One
// without an offset is in UTC.
var timeLayouts = []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00", "2006-01-02 15:04:05.999999", time.RFC3339}

func parseTime(text string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("created_at %q is no time: use a column of the type TIMESTAMPTZ, or on SQLite CURRENT_TIMESTAMP", text)
}

func (r *Relay) refuse(ctx context.Context, row row, reason error) error {
	r.Log.ErrorContext(ctx, "an event was refused: correct the row and empty its column error, or delete it; later rows of its key wait",
		"table", r.Table, "position", row.position, "key", row.key, "reason", reason)
	if _, err := r.From.Exec(ctx, "UPDATE "+r.Table+" SET error = $1 WHERE position = $2", reason.Error(), row.position); err != nil {
		return fmt.Errorf("record why row %d was refused: %w", row.position, err)
	}
	return nil
}

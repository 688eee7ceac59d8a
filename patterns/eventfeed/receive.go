package eventfeed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"troupe/patterns/event"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

// receivedKeep is how long a repeated event is recognized.
const receivedKeep = 30 * 24 * time.Hour

// Receipt is the answer to an event that was received.
type Receipt struct {
	ID        string // under which it is published
	Duplicate bool   // it had been received before
}

// Receive publishes an event of a client if tx commits. It refuses one that the client may
// not publish, or whose data do not match the schema of its type.
func (f *Feed) Receive(ctx context.Context, tx sqldb.Tx, c Client, e event.Envelope) (Receipt, error) {
	if err := f.check(c, e); err != nil {
		return Receipt{}, err
	}
	sum, err := fingerprint(e)
	if err != nil {
		return Receipt{}, err
	}
	id := f.config.NewID()
	inserted, err := tx.Exec(ctx, `INSERT INTO events_received (source, event_id, fingerprint, published, received_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, e.Source, e.ID, sum, id, sqldb.Micros(f.config.Now()))
	if err != nil {
		return Receipt{}, fmt.Errorf("record event %s of %s: %w", e.ID, e.Source, err)
	}
	if inserted == 0 {
		return f.again(ctx, tx, e, sum)
	}
	e.ID, e.Source = id, "outside/"+e.Source // no service has such a name
	if e.Time.IsZero() {
		e.Time = f.config.Now()
	}
	return Receipt{ID: id}, f.config.Outbox.AddEnvelope(ctx, tx, e)
}

// again returns the receipt of an event that was received before.
func (f *Feed) again(ctx context.Context, tx sqldb.Tx, e event.Envelope, sum string) (Receipt, error) {
	var before, id string
	err := tx.QueryRow(ctx, "SELECT fingerprint, published FROM events_received WHERE source = $1 AND event_id = $2", e.Source, e.ID).Scan(&before, &id)
	if err != nil {
		return Receipt{}, fmt.Errorf("read event %s of %s: %w", e.ID, e.Source, err)
	}
	if before != sum && before != fingerprintBefore(e) {
		return Receipt{}, fault.New(fault.Conflict, "event_id_taken",
			"another event with the id %q was received from %s; give each event an id of its own", e.ID, e.Source)
	}
	return Receipt{ID: id, Duplicate: true}, nil
}

// check refuses an event that the client may not publish or that is not valid.
func (f *Feed) check(c Client, e event.Envelope) error {
	switch {
	case e.Source != c.Name:
		return fault.New(fault.Forbidden, "source_not_yours", "the source of your events is %q, not %q", c.Name, e.Source)
	case !slices.Contains(f.config.Types, e.Type):
		return fault.New(fault.Invalid, "event_type_unknown", "%s publishes no %q, only %s", f.config.Service, e.Type, strings.Join(f.config.Types, ", "))
	case !c.MayPublish(e.Type):
		return fault.New(fault.Forbidden, "event_type_not_allowed", "your key does not allow events of the type %q; ask an admin for one that does", e.Type)
	}
	return f.schemas.Validate(e.Type, e.Data)
}

// fingerprint returns what distinguishes two events with the same id. It is the same for all
// encodings of the same data: a program that repeats an event may encode it again.
func fingerprint(e event.Envelope) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(e.Data))
	decoder.UseNumber() // a float64 would make two large integers the same
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("read the data of event %s: %w", e.ID, err)
	}
	canonical, err := json.Marshal(value) // which sorts the members
	return sumOf(e.Type, canonical), err
}

// fingerprintBefore returns the fingerprint of an event that was received by a version which
// distinguished encodings.
func fingerprintBefore(e event.Envelope) string { return sumOf(e.Type, e.Data) }

func sumOf(eventType string, data []byte) string {
	sum := sha256.Sum256([]byte(eventType + "\n" + string(data)))
	return hex.EncodeToString(sum[:])
}

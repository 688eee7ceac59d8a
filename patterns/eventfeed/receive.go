package eventfeed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

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
	id, sum := f.config.NewID(), fingerprint(e)
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
	if before != sum {
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
	return f.schemas.validate(e.Type, e.Data)
}

// fingerprint returns what distinguishes two events with the same id.
func fingerprint(e event.Envelope) string {
	sum := sha256.Sum256([]byte(e.Type + "\n" + string(e.Data)))
	return hex.EncodeToString(sum[:])
}

// schemas are the compiled schemas by type of event.
type schemas map[string]*jsonschema.Schema

func compile(types []string, source func(string) ([]byte, error)) (schemas, error) {
	all := schemas{}
	for _, eventType := range types {
		text, err := source(eventType)
		if err != nil {
			return nil, err
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("read the schema of %s: %w", eventType, err)
		}
		compiler, name := jsonschema.NewCompiler(), "schema:"+eventType
		if err := compiler.AddResource(name, document); err != nil {
			return nil, fmt.Errorf("add the schema of %s: %w", eventType, err)
		}
		if all[eventType], err = compiler.Compile(name); err != nil {
			return nil, fmt.Errorf("compile the schema of %s: %w", eventType, err)
		}
	}
	return all, nil
}

// validate returns an error with a field for each place at which the data do not match.
func (s schemas) validate(eventType string, data []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fault.New(fault.Malformed, "event_data_invalid", "the data are not JSON")
	}
	err = s[eventType].Validate(value)
	mismatch, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	refusal := fault.New(fault.Invalid, "event_data_invalid", "the data do not match the schema of %s; see GET /docs/events/%s.json at the gateway", eventType, eventType)
	for _, unit := range mismatch.BasicOutput().Errors {
		if unit.Error != nil {
			location := "body.data" + strings.ReplaceAll(unit.InstanceLocation, "/", ".")
			refusal = refusal.WithField(location, unit.Error.String())
		}
	}
	return refusal
}

package inbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"

	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

const (
	// retention is how long the id of a handled event is kept. It must be longer
	// than any message can stay on the bus or in an outbox.
	retention  = 14 * 24 * time.Hour
	pruneBatch = 1000 // rows deleted at once, so that no delete blocks others for long
)

// PruneWorker returns the worker that deletes the ids of events handled more than
// 14 days ago, a bounded number per step.
func (i *Inbox) PruneWorker() worker.Worker {
	return worker.Worker{Name: "inbox pruning", Background: true, Step: i.prune, Interval: time.Hour}
}

// prune finds old rows by their ids, which sort by time, so that the primary key
// suffices and no other index is needed. The row of a parked event is kept.
func (i *Inbox) prune(ctx context.Context) (int, error) {
	before := i.now().Add(-retention)
	n, err := i.db.Exec(ctx, `DELETE FROM inbox WHERE consumer = $1 AND event_id IN (
		SELECT event_id FROM inbox WHERE event_id < $2 AND consumer = $1 AND handled_at < $3
		AND event_id NOT IN (SELECT event_id FROM parked WHERE consumer = $1) ORDER BY event_id LIMIT $4)`,
		i.service, firstID(before), sqldb.Micros(before), pruneBatch)
	if err != nil {
		return 0, fmt.Errorf("prune the inbox: %w", err)
	}
	return int(n), nil
}

// firstID returns the smallest UUIDv7 of the time t.
func firstID(t time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16|0x7000)
	id[8] = 0x80
	return id.String()
}

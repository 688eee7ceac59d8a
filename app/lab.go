package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
	"troupe/platform/chaos"
	"troupe/platform/sqldb"
)

// labPrefix begins the paths of the lab, which are answered even by a service that is down.
const labPrefix = "/lab/"

// slowness is how long a slow consumer takes for each batch.
const slowness = 3 * time.Second

// seams are the places between a service and what it runs on, at which the lab causes
// faults. Without a lab all switches are nil, and the seams change nothing.
type seams struct {
	faults *chaos.Faults

	broker    *chaos.Switch // is away: nothing is published or delivered
	slow      *chaos.Switch // the consumer
	duplicate *chaos.Switch // each batch is delivered twice
	lostAck   *chaos.Switch // the acknowledgement of each batch is lost when it is first delivered
	database  *chaos.Switch // is away
	down      *chaos.Switch // HTTP only
	stopped   *chaos.Switch // HTTP, workers and consumer
}

// newSeams returns the seams of a service. There is no lab in production, and none at a
// service that takes no part in an order, such as the gateway.
func newSeams(s Service, settings Settings) seams {
	if settings.Environment == "production" || s.Migrations == nil || len(s.Publishes)+len(s.Consumes()) == 0 {
		return seams{}
	}
	f := chaos.New(now, func(d time.Duration, end func()) { time.AfterFunc(d, end) })
	w := seams{
		faults:   f,
		broker:   f.Switch("broker", "the broker cannot be reached"),
		database: f.Switch("database", "the database cannot be reached"),
		down:     f.Switch("down", "connections to the service break"),
		stopped:  f.Switch("stopped", "the service stops, and starts again at the end"),
	}
	if len(s.Consumes()) > 0 {
		w.slow = f.Switch("slow", fmt.Sprintf("each batch of events takes %s", slowness))
		w.duplicate = f.Switch("duplicate", "each batch of events is delivered twice")
		w.lostAck = f.Switch("lost_ack", "acknowledgements are lost, so events are delivered again")
	}
	return w
}

// prepareLab puts the switches of the lab between the services and their databases.
func (s *System) prepareLab() {
	for _, m := range s.services {
		m.seams = newSeams(m.service, s.settings)
		if m.db != nil {
			m.db = m.seams.withDatabase(m.db)
		}
	}
}

// endFaults ends all faults, so that nothing waits for their end.
func (s *System) endFaults() {
	for _, m := range s.services {
		m.seams.faults.StopAll()
	}
}

// withDatabase returns db with its fault.
func (w seams) withDatabase(db sqldb.DB) sqldb.DB {
	if w.database == nil {
		return db
	}
	return sqldb.Unreachable(db, w.database.On)
}

// withPublisher returns the publisher with its fault.
func (w seams) withPublisher(p bus.Publisher) bus.Publisher {
	if w.broker == nil {
		return p
	}
	return awayPublisher{p, w.broker}
}

// awayPublisher is a bus that accepts nothing while the fault is active.
type awayPublisher struct {
	bus.Publisher
	away *chaos.Switch
}

func (p awayPublisher) Publish(ctx context.Context, messages []bus.Message) []error {
	if p.away.On() {
		return slices.Repeat([]error{bus.ErrUnavailable}, len(messages))
	}
	return p.Publisher.Publish(ctx, messages)
}

// withHandler returns the HTTP handler with its faults.
func (w seams) withHandler(h http.Handler) http.Handler {
	isLab := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, labPrefix) }
	return chaos.Unreachable(chaos.Unreachable(h, w.down, isLab), w.stopped, isLab)
}

// withWorker returns the worker, whose steps wait while the service is stopped.
func (w seams) withWorker(loop worker.Worker) worker.Worker {
	if w.stopped == nil {
		return loop
	}
	step := loop.Step
	loop.Step = func(ctx context.Context) (int, error) {
		if w.stopped.On() && w.stopped.AwaitOff(ctx) != nil {
			return 0, nil // the process ends
		}
		return step(ctx)
	}
	return loop
}

var errAcknowledgementLost = errors.New("the acknowledgement was lost, by a fault of the lab")

// withConsumer returns the handler of batches with its faults.
func (w seams) withConsumer(handle bus.BatchHandler) bus.BatchHandler {
	if w.stopped == nil {
		return handle
	}
	return func(ctx context.Context, batch []bus.Delivery) error {
		for _, s := range []*chaos.Switch{w.stopped, w.broker} {
			if s.On() {
				if err := s.AwaitOff(ctx); err != nil {
					return err
				}
			}
		}
		if len(batch) == 0 {
			return handle(ctx, batch)
		}
		if err := w.slow.Delay(ctx, slowness); err != nil {
			return err
		}
		err := handle(ctx, batch)
		if err == nil && w.duplicate.On() {
			err = handle(ctx, batch)
		}
		if err == nil && w.lostAck.On() && isFirstDelivery(batch) {
			return errAcknowledgementLost
		}
		return err
	}
}

func isFirstDelivery(batch []bus.Delivery) bool {
	return !slices.ContainsFunc(batch, func(d bus.Delivery) bool { return d.Attempt > 0 })
}

package notifications

import (
	"context"
	"net/http"
	"sync"
	"time"

	"troupe/events"
	"troupe/patterns/audit"
	"troupe/patterns/breaker"
	"troupe/patterns/journal"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/store"
	"troupe/services/notifications/internal/webhook"
)

const (
	webhookLease       = time.Minute // for an attempt and recording its outcome
	webhookConcurrency = 4           // attempts at one webhook at a time, on each replica
	webhooksInFlight   = 128         // attempts at all webhooks at a time, on each replica
)

// webhooks sends events to webhooks. Attempts run beside each other: dispatch begins them,
// their outcomes arrive in outcomes, and record stores those. So a slow endpoint delays no
// other one, and a circuit breaker for each keeps a dead one from taking turns.
type webhooks struct {
	client  *http.Client
	journal *journal.Recorder // of the circuits
	types   []string          // that webhooks may subscribe to
	due     worker.Notifier   // wakes dispatch
	ended   worker.Notifier   // wakes record
	ctx     context.Context   // of the attempts
	cancel  context.CancelFunc

	mu        sync.Mutex
	endpoints map[string]*endpoint // by the id of the webhook
	inFlight  int
	outcomes  []outcome // not recorded yet
}

// endpoint is what this replica knows about a webhook.
type endpoint struct {
	circuit  *breaker.Breaker
	inFlight int
}

// outcome is how an attempt ended.
type outcome struct {
	store.WebhookDelivery
	lease    string
	response webhook.Response
}

func newWebhooks(client *http.Client, j *journal.Recorder) *webhooks {
	w := &webhooks{client: client, journal: j, due: worker.NewNotifier(), ended: worker.NewNotifier(), endpoints: map[string]*endpoint{}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// take returns permits for up to most further attempts at a webhook.
func (w *webhooks) take(id string, now func() time.Time, most int) []breaker.Permit {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.endpoints[id]
	if e == nil {
		e = &endpoint{circuit: breaker.New(breaker.Config{
			Streak: 5, MinCalls: 10, Recovery: 30 * time.Second, RecoveryMax: 10 * time.Minute,
			Probes: 1, Successes: 1, ProbeTimeout: webhookLease, Now: now,
			OnChange: func(c breaker.Change) {
				w.journal.Switched(c.At, journal.Breaker{Dependency: "webhook " + id, From: c.From.String(), To: c.To.String(), Reason: c.Reason})
			},
		})}
		w.endpoints[id] = e
	}
	var permits []breaker.Permit
	for len(permits) < most && e.inFlight < webhookConcurrency && w.inFlight < webhooksInFlight {
		permit, err := e.circuit.Allow()
		if err != nil {
			break
		}
		permits = append(permits, permit)
		e.inFlight++
		w.inFlight++
	}
	return permits
}

// give returns a permit after an attempt, or without one.
func (w *webhooks) give(id string, permit breaker.Permit, o breaker.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.endpoints[id]
	e.circuit.Done(permit, o)
	e.inFlight--
	w.inFlight--
}

// keep forgets the webhooks that are not among the ids.
func (w *webhooks) keep(ids map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, e := range w.endpoints {
		if !ids[id] && e.inFlight == 0 {
			delete(w.endpoints, id)
		}
	}
}

// dispatchWebhooks begins the attempts that are due, and returns how many.
func (s *service) dispatchWebhooks(ctx context.Context) (did int, err error) {
	due, err := store.DueWebhooks(ctx, s.DB, s.Now())
	if err != nil {
		return 0, err
	}
	for _, w := range due {
		n, err := s.dispatchTo(ctx, w)
		did += n
		if err != nil {
			return did, err
		}
	}
	return did, nil
}

func (s *service) dispatchTo(ctx context.Context, w store.Webhook) (int, error) {
	permits := s.webhooks.take(w.ID, s.Now, webhookConcurrency)
	if len(permits) == 0 {
		return 0, nil
	}
	lease := s.NewID()
	var claimed []store.WebhookDelivery
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		now := s.Now()
		claimed, err = store.ClaimWebhookDeliveries(ctx, tx, w.ID, lease, now, now.Add(webhookLease), len(permits))
		return err
	})
	if err != nil {
		claimed = nil
	}
	for i, permit := range permits {
		if i >= len(claimed) {
			s.webhooks.give(w.ID, permit, breaker.Ignored)
			continue
		}
		s.After(0, func() { s.attemptWebhook(w, claimed[i], lease, permit) })
	}
	return len(claimed), err
}

// attemptWebhook makes one attempt. One that a shutdown interrupts has no outcome: another
// follows when the lease ends.
func (s *service) attemptWebhook(w store.Webhook, d store.WebhookDelivery, lease string, permit breaker.Permit) {
	now := s.Now()
	result := breaker.Ignored
	defer func() { s.webhooks.give(w.ID, permit, result); s.webhooks.ended.Notify(); s.webhooks.due.Notify() }()
	ctx, span := s.startWebhook(d)
	response := webhook.Send(ctx, s.webhooks.client, webhook.Message{
		ID: d.EventID, Time: now, Body: []byte(d.Body), URL: w.URL, Secrets: w.Secrets(now),
	})
	endWebhook(span, response)
	if s.webhooks.ctx.Err() != nil {
		return
	}
	result = breaker.Success
	if response.IsSick() {
		result = breaker.Failure
	}
	s.webhooks.mu.Lock()
	defer s.webhooks.mu.Unlock()
	s.webhooks.outcomes = append(s.webhooks.outcomes, outcome{d, lease, response})
}

// recordWebhooks stores the outcomes that have arrived, and returns how many.
func (s *service) recordWebhooks(ctx context.Context) (int, error) {
	s.webhooks.mu.Lock()
	arrived := s.webhooks.outcomes
	s.webhooks.mu.Unlock()
	if len(arrived) == 0 {
		return 0, nil
	}
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		for _, o := range arrived {
			if err := s.recordWebhook(ctx, tx, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.webhooks.mu.Lock()
	s.webhooks.outcomes = s.webhooks.outcomes[len(arrived):]
	s.webhooks.mu.Unlock()
	for _, o := range arrived {
		s.webhookAttempts.WithLabelValues(resultOf(o.response)).Inc()
	}
	s.webhooks.due.Notify() // the next event of the same order may be due
	return len(arrived), nil
}

func resultOf(r webhook.Response) string {
	switch {
	case r.Accepted():
		return "accepted"
	case r.Status == 0:
		return "no_response"
	}
	return "refused"
}

func (s *service) recordWebhook(ctx context.Context, tx sqldb.Tx, o outcome) error {
	now := s.Now()
	d := o.WebhookDelivery
	d.Status, d.Reply = o.response.Status, o.response.Reply
	d.State, d.NextAt = webhook.Next(d.ID, d.Attempts, o.response, now, d.ExpiresAt)
	held, err := store.SettleWebhookDelivery(ctx, tx, o.lease, d, o.response.Took, now)
	if err != nil || !held {
		return err // the lease has ended, or the event was dropped
	}
	if d.NextAt.IsZero() && d.EventType == (events.UserDeleted{}).EventType() {
		if err := store.EraseWebhookDelivery(ctx, tx, d, "", now); err != nil {
			return err
		}
	}
	if err := store.MarkWebhook(ctx, tx, d.WebhookID, o.response.Accepted(), now); err != nil || o.response.Accepted() {
		return err
	}
	return s.disableWebhook(ctx, tx, d.WebhookID, o.response, now)
}

// disableWebhook disables a webhook that wants no further events, or that has failed for
// as long as an event is retried.
func (s *service) disableWebhook(ctx context.Context, tx sqldb.Tx, id string, r webhook.Response, now time.Time) error {
	w, found, err := store.LockWebhook(ctx, tx, id)
	if err != nil || !found || !w.Enabled {
		return err
	}
	switch {
	case r.Gone():
		w.Reason = "the endpoint has answered 410 Gone"
	case now.Sub(w.FailingSince) >= webhook.MaxAge:
		w.Reason = "every attempt has failed for three days"
	default:
		return nil
	}
	w.Enabled, w.UpdatedAt = false, now
	tx.OnCommit(func() {
		s.Log.WarnContext(ctx, "a webhook was disabled; PATCH /webhooks/{id} enables it", "webhook", id, "reason", w.Reason)
	})
	if err := store.SaveWebhook(ctx, tx, w); err != nil {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Entry{Action: "disable_webhook", Actor: "system", Target: id, Detail: w.Reason})
}

// drainWebhooks waits for the attempts that run, and interrupts them when little time is
// left. Then it records their outcomes.
func (s *service) drainWebhooks(ctx context.Context) error {
	defer s.webhooks.cancel()
	stop := time.AfterFunc(webhookDrain, s.webhooks.cancel)
	defer stop.Stop()
	for s.webhooks.running() > 0 {
		select {
		case <-s.webhooks.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, err := s.recordWebhooks(ctx)
	return err
}

// webhookDrain is how long a shutdown waits for attempts.
const webhookDrain = 3 * time.Second

func (w *webhooks) running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight
}

// deleteOldWebhooks expires and deletes old deliveries, a batch at a time.
func (s *service) deleteOldWebhooks(ctx context.Context) (did int, err error) {
	hooks, err := store.Webhooks(ctx, s.DB, "", mostWebhooks)
	if err != nil {
		return 0, err
	}
	ids := map[string]bool{}
	for _, w := range hooks {
		ids[w.ID] = true
	}
	s.webhooks.keep(ids)
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		expired, err := store.ExpireWebhookDeliveries(ctx, tx, s.Now(), deleteBatch)
		if err != nil {
			return err
		}
		deleted, err := store.DeleteOldWebhookDeliveries(ctx, tx, s.Now().Add(-s.WebhookRetention), deleteBatch)
		did = expired + deleted
		return err
	})
	return did, err
}

package notifications

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/push"
	"troupe/services/notifications/internal/store"
)

const (
	pushBatch    = 64
	pushesAtOnce = 16
	// refusedPause is how long nothing is sent to a subscription after a push service has
	// refused the shop, so that a customer with a foreign endpoint raises few alarms.
	refusedPause = 10 * time.Minute
)

// pushJob is one leased delivery of a push within a step of the sender.
type pushJob struct {
	store.Delivery
	subscription store.PushSubscription
	content      pushContent
	ready        bool              // there is a push to send; otherwise Delivery has its outcome
	attempt      *delivery.Attempt // how the attempt ended; nil if there was none
	// pause is until when nothing more is sent to the subscription: nil, or the zero time
	// if the subscription has ended.
	pause *time.Time
}

func newPushMetrics() (outcomes *prometheus.CounterVec, refused prometheus.Counter) {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_notifications_pushes_total",
			Help: "Pushes that the sender handled, each time it did, by the resulting state: sent, deferred, rejected, expired, suppressed.",
		}, []string{"state"}), prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_notifications_pushes_refused_total",
			Help: "Answers of push services which mean that something is wrong with the shop's push key, contact or requests.",
		})
}

// sendPushes sends one batch of due pushes and returns how many it handled. As with
// mails, it leases them in one transaction and records the outcomes in another. A push
// that is sent again after a crash replaces the first one in the browser.
func (s *service) sendPushes(ctx context.Context) (int, error) {
	leaseID := s.NewID()
	jobs, err := s.claimPushes(ctx, leaseID)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	pushesClaimed.Hit()
	if err := s.preparePushes(ctx, jobs); err != nil {
		return 0, err
	}
	if err := s.capPushes(ctx, jobs); err != nil {
		return 0, err
	}
	s.submitPushes(ctx, jobs)
	pushesSent.Hit()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return s.recordPushes(ctx, tx, leaseID, jobs) })
	if err != nil {
		return len(jobs), fmt.Errorf("record the outcomes of %d pushes: %w", len(jobs), err)
	}
	for _, j := range jobs {
		s.pushOutcomes.WithLabelValues(string(j.State)).Inc()
	}
	return len(jobs), nil
}

func (s *service) claimPushes(ctx context.Context, leaseID string) ([]*pushJob, error) {
	var jobs []*pushJob
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		now := s.Now()
		due, err := store.Claim(ctx, tx, delivery.Push, leaseID, now, now.Add(leaseTime), pushBatch)
		jobs = make([]*pushJob, len(due))
		for i, d := range due {
			jobs[i] = &pushJob{Delivery: d}
		}
		return err
	})
	return jobs, err
}

// preparePushes renders the push of each job, or sets the outcome of a job that has none.
func (s *service) preparePushes(ctx context.Context, jobs []*pushJob) error {
	var ids, userIDs, targets []string
	var deliveries []store.Delivery
	for _, j := range jobs {
		ids, userIDs, targets = append(ids, j.ID), append(userIDs, j.UserID), append(targets, j.Target)
		deliveries = append(deliveries, j.Delivery)
	}
	subscriptions, err := store.PushSubscriptions(ctx, s.DB, targets)
	if err != nil {
		return err
	}
	overtaken, err := store.Overtaken(ctx, s.DB, ids)
	if err != nil {
		return err
	}
	audience, err := store.Audience(ctx, s.DB, userIDs)
	if err != nil {
		return err
	}
	render, err := s.pushRenderer(ctx, userIDs, deliveries)
	if err != nil {
		return err
	}
	now := s.Now()
	for _, j := range jobs {
		subscription, exists := subscriptions[j.Target]
		switch {
		case !exists || subscription.UserID != j.UserID:
			j.suppress("the subscription has ended")
		case overtaken[j.ID]:
			j.suppress("a newer push about the order replaced it")
		case !audience[j.UserID].Preferences.Allows(j.Kind, preferences.Channels{Push: true}):
			j.suppress("the customer has switched off pushes about this")
		case !now.Before(j.ExpiresAt):
			j.State, j.NextAt, j.Reply = delivery.Expired, time.Time{}, "not sent in time"
		case subscription.IsPaused(now):
			j.wait(subscription.PausedUntil)
		default:
			j.subscription = subscription
			j.render(render, now)
		}
	}
	return nil
}

// render makes the content of the push, which is rejected if that fails.
func (j *pushJob) render(render func(store.Delivery) (pushContent, error), now time.Time) {
	content, err := render(j.Delivery)
	if err != nil {
		j.end(delivery.Attempt{Phase: delivery.Connect, State: delivery.Rejected, Reply: err.Error()}, now, 0)
		return
	}
	j.content, j.ready = content, true
}

func (j *pushJob) suppress(reason string) {
	j.State, j.NextAt, j.Reply = delivery.Suppressed, time.Time{}, reason
}

// wait leaves j for later without an attempt.
func (j *pushJob) wait(until time.Time) {
	j.State, j.NextAt = delivery.Deferred, until
	j.Attempts--
}

// end sets the outcome of the delivery to that of an attempt. The next one is not before
// the wait that the push service asked for.
func (j *pushJob) end(a delivery.Attempt, now time.Time, wait time.Duration) {
	j.attempt, j.Reply = &a, a.Reply
	j.State, j.NextAt = delivery.Next(j.ID, j.Attempts, a.State, now, j.ExpiresAt)
	if j.NextAt.IsZero() {
		return
	}
	if at := now.Add(wait); at.After(j.NextAt) {
		j.NextAt = at
	}
	if !j.NextAt.Before(j.ExpiresAt) {
		j.State, j.NextAt = delivery.Expired, time.Time{}
	}
}

// submitPushes sends the pushes that are ready, several at a time. Once a push service
// cannot be reached, the others for it wait as if they had been tried.
func (s *service) submitPushes(ctx context.Context, jobs []*pushJob) {
	var unreachable hosts
	var all errgroup.Group
	all.SetLimit(pushesAtOnce)
	until := s.Now().Add(leaseTime)
	for _, j := range jobs {
		if !j.ready {
			continue
		}
		all.Go(func() error {
			if ctx.Err() != nil || !s.Now().Before(until) {
				j.wait(s.Now())
				return nil
			}
			s.submitPush(ctx, j, &unreachable)
			return nil
		})
	}
	_ = all.Wait() // no function returns an error
}

func (s *service) submitPush(ctx context.Context, j *pushJob, unreachable *hosts) {
	host := hostOf(j.subscription.Endpoint)
	ctx, span := s.startAttempt(ctx, "send push", j.Delivery)
	span.Set("server.address", host)
	defer func() { endAttempt(span, j.attempt) }()
	if reason, down := unreachable.reason(host); down {
		j.end(delivery.Attempt{Phase: delivery.Connect, State: delivery.Deferred, Reply: reason}, s.Now(), 0)
		return
	}
	var answer push.Answer
	for _, payload := range j.content.payloads() {
		answer = s.pusher.Send(ctx, j.subscription.Subscription, j.subscription.Key, j.content.message(payload, j.ExpiresAt.Sub(s.Now())))
		if answer.Outcome != push.TooLarge {
			break
		}
	}
	if answer.NoContact {
		unreachable.add(host, answer.Reply)
	}
	s.conclude(ctx, j, answer, host)
}

// conclude sets the outcome of j to what the push service answered.
func (s *service) conclude(ctx context.Context, j *pushJob, answer push.Answer, host string) {
	now := s.Now()
	a := delivery.Attempt{Phase: delivery.Post, State: delivery.Deferred, Reply: answer.Reply}
	if answer.NoContact {
		a.Phase = delivery.Connect
	}
	switch answer.Outcome {
	case push.Accepted:
		a = delivery.Attempt{Phase: delivery.Post, State: delivery.Sent}
	case push.Gone:
		a.State, j.pause = delivery.Rejected, &time.Time{}
	case push.TooLarge:
		a.State = delivery.Rejected
	case push.Limited:
		until := now.Add(answer.RetryAfter)
		j.pause = &until
	case push.Refused:
		until := now.Add(refusedPause)
		j.pause = &until
		s.pushRefused.Inc()
		s.Log.ErrorContext(ctx, "a push service refuses the shop's pushes: check NOTIFICATIONS_PUSH_CONTACT, the clock, and whether the table push_keys was changed",
			"delivery", j.ID, "push_service", host, "reply", answer.Reply)
	case push.Failed:
		s.Log.WarnContext(ctx, "push not sent", "order_id", j.OrderID, "delivery", j.ID, "attempt", j.Attempts, "push_service", host, "reply", answer.Reply)
	}
	j.end(a, now, answer.RetryAfter)
}

// recordPushes records the outcomes of the jobs and publishes their events.
func (s *service) recordPushes(ctx context.Context, tx sqldb.Tx, leaseID string, jobs []*pushJob) error {
	outcomes := make([]settled, len(jobs))
	pauses := map[string]time.Time{}
	for i, j := range jobs {
		outcomes[i] = settled{j.Delivery, j.attempt}
		if j.pause != nil {
			pauses[j.Target] = *j.pause
		}
	}
	if _, err := s.recordSettled(ctx, tx, leaseID, outcomes); err != nil {
		return err
	}
	if err := store.PausePushSubscriptions(ctx, tx, pauses); err != nil {
		return err
	}
	pushesWritten.Hit()
	return nil
}

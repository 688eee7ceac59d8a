package story_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

func TestTheVerdictStatesHowTheOrderStandsAndWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		order         *scenario
		status, cause string
		verdict       string
	}{
		{"paid", paidOrder(), "paid", "", "Paid after 106 ms."},
		{
			"declined", declinedOrder(), "cancelled", "card_declined",
			"Cancelled after 1.2 s: the card was declined. Stock was released, nothing was charged, and the customer was told by mail.",
		},
		{
			"out of stock", outOfStockOrder(), "cancelled", "out_of_stock",
			"Cancelled after 13 ms: CAP was out of stock (1 ordered, 0 available). No stock was held, nothing was charged, and the customer was told by mail.",
		},
		{
			"retrying", retryingOrder(), "pending", "retrying",
			"Waiting for payments for 43 s: its handler failed 3 times (" + refused + "); next attempt at 10:02:11 UTC.",
		},
		{"retried", retriedOrder(), "paid", "", "Paid after 3.1 s: payments needed 3 attempts at order.created (" + refused + ")."},
		{
			"dead letter", deadOrder(), "pending", "dead_letter",
			"Stopped for 1 min 30 s: payments gave up order.created after 1 attempt (decode order.created.v1: unexpected end of JSON input). Replay the dead letter to go on.",
		},
		{"replayed", replayedOrder(), "paid", "", "Paid after 2 min 11 s: payments needed 13 attempts at order.created (" + refused + ")."},
		{
			"cancelled by the customer", cancelledByCustomer(), "cancelled", "customer",
			"Cancelled after 213 ms: the customer cancelled it. Stock was released, nothing was charged, and the customer was told by mail.",
		},
		{
			"cancelled after paid", cancelledAfterPaid(), "cancelled", "customer",
			"Cancelled after 4 min 10 s: the customer cancelled it. The stock was put back, 41.97 EUR was refunded, and the customer was told by mail.",
		},
		{"provider times out", providerTimesOut(), "paid", "", "Paid after 7.1 s: the payment provider took 7 s to answer order.created."},
		{"slow consumer", slowConsumer(), "paid", "", "Paid after 6.1 s: order.created reached payments only after 6 s."},
		{"broker away", brokerAway(), "paid", "", "Paid after 8.1 s: order.created reached inventory and payments only after 8 s."},
		{"duplicate delivery", duplicateDelivery(), "paid", "", "Paid after 109 ms. 1 event came twice and took effect once."},
		{"a service is down", serviceDown(), "pending", "", "Waiting for inventory for 12 s: order.created has not reached it."},
		{"stuck", stuckOrder(), "pending", "stuck", "Waiting for payments for 9 min: the payment provider has not answered."},
		{
			"overdue", overdueOrder(), "cancelled", "deadline",
			"Cancelled after 15 min: it was not completed in time, because payments did not answer. Stock was released, nothing was charged, and the customer was told by mail.",
		},
		{
			"capture fails", captureFails(), "cancelled", "capture_failed",
			"Cancelled after 71 ms: the money could not be collected (expired). The stock was put back, nothing was charged, and the customer was told by mail.",
		},
		{
			"a compensation fails", compensationFails(), "cancelled", "retrying",
			"Cancelled after 13 ms: the shop cancelled it. The stock is not released yet, nothing was charged, and no message has been sent to the customer yet. " +
				"Inventory failed once to handle order.cancelled (" + refused + "); next attempt at 10:01:30 UTC.",
		},
		{"delivered", deliveredOrder(), "delivered", "", "Delivered after 3 days; paid after 106 ms."},
		{"the mail bounces", mailBounces(), "paid", "", "Paid after 106 ms. The message about order.paid did not reach the customer (550 no such user)."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := story.Build(c.order.records, c.order.now)
			require.Equal(t, c.verdict, o.Verdict)
			require.Equal(t, c.status, o.Status)
			require.Equal(t, c.cause, o.Cause)
			require.True(t, o.Complete, "%v", o.Notes)
			require.Equal(t, orderID, o.ID)
			require.Equal(t, userID, o.UserID)
			require.Equal(t, view.Money(total), o.Total)
			require.Equal(t, o.OrderSummary, story.Summary(c.order.records, c.order.now))
			requireCausal(t, o)
		})
	}
}

// requireCausal checks that no cause follows its effect, by place and by time.
func requireCausal(t require.TestingT, o view.Order) {
	seen := map[string]view.Step{}
	for _, s := range o.Steps {
		for _, c := range s.Causes {
			require.Contains(t, seen, c, "the cause of %q", s.Label)
			require.False(t, s.At.Before(seen[c].At), "%q is before its cause %q", s.Label, seen[c].Label)
		}
		require.NotContains(t, seen, s.ID, s.Label)
		seen[s.ID] = s
	}
}

func labels(o view.Order, which func(view.Step) bool) (labels []string) {
	for _, s := range o.Steps {
		if which(s) {
			labels = append(labels, s.Label)
		}
	}
	return labels
}

func TestCompensationsAreMarked(t *testing.T) {
	t.Parallel()
	s := cancelledAfterPaid()
	o := story.Build(s.records, s.now)
	require.Equal(t, []string{
		"inventory handles order.cancelled", "payments handles order.cancelled", "inventory publishes stock.released", "payments publishes payment.refunded",
	}, labels(o, func(s view.Step) bool { return s.Compensation }))
}

func TestStepsThatAreExpectedAreGhosts(t *testing.T) {
	t.Parallel()
	ghost := func(s view.Step) bool { return s.Ghost }
	s := retryingOrder()
	require.Equal(t, []string{"payments tries order.created again at 10:02:11 UTC", "expected: payments publishes payment.authorized or payment.declined"},
		labels(story.Build(s.records, s.now), ghost))
	s = serviceDown()
	require.Equal(t, []string{"inventory has not handled order.created yet", "expected: inventory publishes stock.reserved or stock.rejected"},
		labels(story.Build(s.records, s.now), ghost))
	s = compensationFails()
	require.Equal(t, []string{"inventory tries order.cancelled again at 10:01:30 UTC", "expected: inventory publishes stock.released"},
		labels(story.Build(s.records, s.now), ghost))
	for _, s := range []*scenario{paidOrder(), declinedOrder(), outOfStockOrder(), cancelledAfterPaid()} {
		require.Empty(t, labels(story.Build(s.records, s.now), ghost))
	}
}

func TestIdleTimeIsFolded(t *testing.T) {
	t.Parallel()
	s := cancelledAfterPaid()
	o := story.Build(s.records, s.now)
	require.Len(t, o.Folds, 1)
	require.Equal(t, 250, int(time.Duration(o.Folds[0].Took)*time.Microsecond/time.Second))
	require.Contains(t, labels(o, func(s view.Step) bool { return s.ID == o.Folds[0].After }), "notifications publishes notification.sent")
	require.Empty(t, story.Build(paidOrder().records, s.now).Folds)
}

func TestAttemptsAreStepsOfTheirOwnWithTheirWait(t *testing.T) {
	t.Parallel()
	s := retriedOrder()
	o := story.Build(s.records, s.now)
	var waits []time.Duration
	attempts := labels(o, func(s view.Step) bool {
		is := s.Lane == "payments" && s.Type == "order.created.v1" && s.Kind == "handle"
		if is {
			waits = append(waits, (time.Duration(s.Waited) * time.Microsecond).Round(time.Second))
		}
		return is
	})
	require.Equal(t, []string{"payments handles order.created: failed", "payments handles order.created, attempt 2: failed", "payments handles order.created, attempt 3"}, attempts)
	require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, waits)
	require.Equal(t, 2, o.Failures)
}

func TestTheWayOfTheOrderHasTheStatesToCome(t *testing.T) {
	t.Parallel()
	names := func(s *scenario) (reached, toCome []string) {
		for _, state := range story.Build(s.records, s.now).States {
			if state.At != nil {
				reached = append(reached, state.Name)
			} else {
				toCome = append(toCome, state.Name)
			}
		}
		return reached, toCome
	}
	reached, toCome := names(paidOrder())
	require.Equal(t, []string{"pending", "confirmed", "paid"}, reached)
	require.Equal(t, []string{"shipped", "delivered"}, toCome)
	reached, toCome = names(cancelledAfterPaid())
	require.Equal(t, []string{"pending", "confirmed", "paid", "cancelled"}, reached)
	require.Empty(t, toCome)
}

func TestTheVerdictStatesWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	s := declinedOrder()
	s.records = s.records[:len(s.records)-1] // the mail
	gap := append(s.records, journal.Record{Kind: journal.Dropped, At: s.now, Lost: 3, Service: "notifications"})
	o := story.Build(gap, s.now)
	require.False(t, o.Complete)
	require.Contains(t, o.Verdict, "and whether the customer was told is not known.")
	require.NotEmpty(t, o.Notes)

	o = story.Build(s.records[5:], s.now) // order.created and its attempts are lost
	require.False(t, o.Complete)
	requireCausal(t, o)

	o = story.Build(nil, s.now)
	require.Equal(t, "Nothing about this order is in the journal.", o.Verdict)
	require.Equal(t, "pending", o.Status)
}

func TestCausesInACircleDoNoHarm(t *testing.T) {
	t.Parallel()
	s := paidOrder()
	for _, r := range s.records {
		if r.Event != nil && r.Event.CausationID == "" {
			r.Event.CausationID = s.records[len(s.records)-1].Event.ID
		}
	}
	requireCausal(t, story.Build(s.records, s.now))
}

func TestALongOrderIsCutAndNotRefused(t *testing.T) {
	t.Parallel()
	s := newScenario()
	c := s.placed()
	for range 10_000 {
		s.fails("payments", c, time.Second)
		s.passes(time.Second)
	}
	o := story.Build(s.records, s.now)
	require.Less(t, len(o.Steps), 2100)
	require.False(t, o.Complete)
	require.Contains(t, o.Notes[0], "more steps than are shown")
	require.Contains(t, o.Verdict, "its handler failed 10000 times")
	requireCausal(t, o)
}

func BenchmarkBuild500(b *testing.B) {
	s := longOrder()
	b.ReportAllocs()
	for b.Loop() {
		story.Build(s.records, s.now)
	}
}

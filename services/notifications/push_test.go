package notifications_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/test/pushservice"
)

// pushes returns the response with the deliveries of pushes in a state, as an admin sees
// them.
func pushes(t *testing.T, h *servicetest.Harness, state string) *servicetest.Response {
	t.Helper()
	return h.As("admin", auth.Admin).Get(t, "/deliveries?state="+state)
}

func TestACustomerReceivesPushes(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		first, second := subscribed(t, h, p, ada), subscribed(t, h, p, ada)
		other := subscribed(t, h, p, eve)
		for _, e := range []event.Payload{registered(ada, "Ada", "ada@example.test", "de"), created, paid, shipped, events.UserPasswordChanged{UserID: ada}} {
			h.Consumes(t, e)
		}

		for _, b := range []*pushservice.Browser{first, second} {
			got := b.Received()
			require.Len(t, got, 4)
			require.Equal(t, "Ihre Bestellung ist bezahlt", got[1].Title)
			require.Contains(t, got[1].Body, "30,48 EUR")
			require.Equal(t, "order.paid", got[1].Kind)
			require.Equal(t, orderID, got[1].OrderID)
			require.Equal(t, "86400", got[1].TTL)
			require.Equal(t, "mailto:hello@troupe.invalid", got[1].Subject)
			require.Equal(t, []string{"high", "high", "normal", "high"}, []string{got[0].Urgency, got[1].Urgency, got[2].Urgency, got[3].Urgency})
			require.Len(t, got[0].Topic, 32)
			require.Equal(t, got[0].Topic, got[2].Topic, "a newer status of an order replaces the one before")
			require.Equal(t, got[0].Topic, got[0].Tag)
			require.NotContains(t, got[0].Topic, orderID)
			require.Empty(t, got[3].Topic, "a notice about the account replaces none")
			require.NotEmpty(t, got[3].Tag)
		}
		require.Empty(t, other.Received())
		require.Len(t, inboxOf(t, h, ada), 3)
		sent := map[string]int{}
		for _, e := range servicetest.Published[events.NotificationSent](t, h) {
			sent[e.Channel]++
		}
		require.Equal(t, map[string]int{"push": 8, "email": 5}, sent)
	})
}

func TestRedeliveredEventsArePushedOnce(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		h.Consumes(t, adaRegistered, created)
		h.Consumes(t, paid)
		require.Len(t, b.Received(), 2)
		_, err := h.DB.Exec(t.Context(), "DELETE FROM inbox")
		require.NoError(t, err)
		h.Redelivers(t)
		require.Len(t, b.Received(), 2)
	})
}

func TestAnEndedSubscriptionIsDeleted(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
				b, other := subscribed(t, h, p, ada), subscribed(t, h, p, ada)
				b.Answer(pushservice.Answer{Status: status})
				h.Consumes(t, adaRegistered, paid)
				h.Consumes(t, shipped)
				require.Equal(t, 1, subscriptions(t, h, ada))
				require.Equal(t, 1, b.Requests())
				require.Len(t, other.Received(), 2)
				pushes(t, h, "rejected").Want(t, 200, "items.0.kind", "order.paid", "items.0.channel", "push", "items.1", nil)
			})
		})
	}
}

func TestAPushWaitsAsLongAsThePushServiceAsks(t *testing.T) {
	for name, answer := range map[string]pushservice.Answer{
		"429, in seconds": {Status: 429, RetryAfter: "1800"},
		"429, as a date":  {Status: 429, RetryAfter: "Thu, 01 Jan 2026 12:30:00 GMT"},
		"406 of Windows":  {Status: 406, RetryAfter: "1800"},
		"503":             {Status: 503, RetryAfter: "1800"},
	} {
		t.Run(name, func(t *testing.T) {
			runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
				b := subscribed(t, h, p, ada)
				b.Answer(answer)
				h.Consumes(t, adaRegistered, paid)
				if answer.Status != 503 { // which is about the push service, not about the browser
					h.Consumes(t, declined)
				}
				h.Advance(29 * time.Minute)
				h.Settle(t)
				require.Equal(t, 1, b.Requests())
				h.Advance(time.Minute)
				h.Settle(t)
				require.Equal(t, 2, b.Requests())
				require.Len(t, b.Received(), 1)
			})
		})
	}
}

func TestAPushThatTheServiceRefusesAlertsAndPrunesNothing(t *testing.T) {
	for name, answer := range map[string]pushservice.Answer{
		"a wrong key or contact": {Status: 403},
		"a wrong token":          {Status: 401},
		"a wrong request":        {Status: 400},
		"a redirect":             {Status: 307, Location: "https://127.0.0.1:1/"},
	} {
		t.Run(name, func(t *testing.T) {
			runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
				b := subscribed(t, h, p, ada)
				b.Answer(answer)
				h.Consumes(t, adaRegistered, paid)
				require.Equal(t, 1, subscriptions(t, h, ada))
				id := pushes(t, h, "deferred").Want(t, 200, "items.0.kind", "order.paid").Field(t, "items.0.id")
				h.As("admin", auth.Admin).Get(t, "/deliveries/"+id).Want(t, 200, "log.0.phase", "post", "log.0.state", "deferred")
				h.Consumes(t, events.OrderPaid{OrderID: newID(), UserID: ada, Amount: total})
				require.Equal(t, 1, b.Requests(), "one alarm for one subscription")
				metrics := string(h.Anonymous().Get(t, "/metrics").Body)
				require.Contains(t, metrics, "troupe_notifications_pushes_refused_total 1")
				h.Advance(time.Hour)
				h.Settle(t)
				require.Len(t, b.Received(), 2, "they are tried again")
			})
		})
	}
}

func TestAPushThatFailsIsTriedAgainUntilItIsTooOld(t *testing.T) {
	for name, answer := range map[string]pushservice.Answer{"a failure": {Status: 502}, "no answer": {Hang: true}} {
		t.Run(name, func(t *testing.T) {
			runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
				b := subscribed(t, h, p, ada)
				for range 200 {
					b.Answer(answer)
				}
				h.Consumes(t, adaRegistered, paid)
				for range 26 {
					h.Advance(time.Hour)
					h.Settle(t)
				}
				requests := b.Requests()
				require.Greater(t, requests, 10)
				pushes(t, h, "expired").Want(t, 200, "items.0.kind", "order.paid", "items.0.next_at", nil)
				h.Advance(24 * time.Hour)
				h.Settle(t)
				require.Equal(t, requests, b.Requests())
				require.Equal(t, 1, subscriptions(t, h, ada))
			})
		})
	}
}

func TestAPushThatIsTooLargeIsMadeSmaller(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		b.Answer(pushservice.Answer{Status: 413})
		h.Consumes(t, adaRegistered, paid)
		require.Len(t, b.Received(), 1)
		require.Equal(t, "Your order has been paid", b.Received()[0].Title)
		require.Empty(t, b.Received()[0].Body)

		b.Answer(pushservice.Answer{Status: 413}, pushservice.Answer{Status: 413})
		h.Consumes(t, shipped)
		require.Len(t, b.Received(), 2)
		require.Empty(t, b.Received()[1].Title)
		require.Equal(t, "order.shipped", b.Received()[1].Kind)

		b.Answer(pushservice.Answer{Status: 413}, pushservice.Answer{Status: 413}, pushservice.Answer{Status: 413})
		h.Consumes(t, delivered)
		pushes(t, h, "rejected").Want(t, 200, "items.0.kind", "order.delivered")
	})
}

func TestAnOlderStatusIsNotPushedAfterANewerOne(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		other := subscribed(t, h, p, ada)
		b.Answer(pushservice.Answer{Status: 503})
		h.Consumes(t, adaRegistered, paid)
		h.Consumes(t, shipped)
		require.Len(t, other.Received(), 2)
		require.Len(t, b.Received(), 1, "the newer one does not wait for the older one")
		require.Equal(t, "order.shipped", b.Received()[0].Kind)
		h.Advance(time.Hour)
		h.Settle(t)
		require.Len(t, b.Received(), 1)
		pushes(t, h, "suppressed").Want(t, 200, "items.0.kind", "order.paid", "items.0.reply", "a newer push about the order replaced it")
	})
}

func TestADeadPushServiceDelaysNoOther(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		dead := p.Subscribe(t, "", h.Now).JSON()
		dead["endpoint"] = "https://push.rebound.test/dead" // which does not resolve
		h.As(eve, auth.User).Post(t, "/push/subscriptions", dead).Want(t, 201)
		b := subscribed(t, h, p, ada)
		for range 20 {
			h.Consumes(t, events.OrderPaid{OrderID: newID(), UserID: eve, Amount: total})
		}
		h.Consumes(t, paid)
		require.Len(t, b.Received(), 1)
		var waiting struct{ Items []object }
		pushes(t, h, "deferred").JSON(t, &waiting)
		require.Len(t, waiting.Items, 20)
	})
}

func TestAPushServiceThatCannotBeReachedIsNotTriedForEachPush(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		payloads := []event.Payload{adaRegistered}
		for range 60 {
			b.Answer(pushservice.Answer{Hang: true})
			payloads = append(payloads, events.OrderPaid{OrderID: newID(), UserID: ada, Amount: total})
		}
		h.ConsumesBatch(t, payloads...)
		require.Less(t, b.Requests(), 40)
		h.Advance(3 * time.Hour)
		b.Recover()
		h.Settle(t)
		require.Len(t, b.Received(), 60)
	})
}

func TestPushesAreSentAsChosen(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		h.As(ada, auth.User).Put(t, "/notifications/preferences", object{"categories": object{
			"orders": choice(false, true, false, "off"), "shipping": choice(true, false, false, "off"),
		}}).Want(t, 200)
		h.Consumes(t, adaRegistered, paid, shipped)
		require.Len(t, b.Received(), 1)
		require.Equal(t, []string{"Your order DEADBEEF has been shipped", "Welcome to Troupe"}, subjects(t, h, "ada@example.test"))
		require.Empty(t, inboxOf(t, h, ada))

		h.As(ada, auth.User).Delete(t, "/push/subscriptions")
		h.Consumes(t, cancelled)
		require.Contains(t, subjects(t, h, "ada@example.test")[0], "cancelled", "what is critical is mailed if no other channel is left")
		require.False(t, strings.Contains(strings.Join(subjects(t, h, "ada@example.test"), " "), "paid"))
	})
}

// Another sender, which is slow or has crashed, holds the push before.
func TestAPushWaitsForTheOneBefore(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		b.Answer(pushservice.Answer{Status: 503})
		h.Consumes(t, adaRegistered, paid)
		_, err := h.DB.Exec(t.Context(), "UPDATE deliveries SET state = 'sending', lease = 'another', next_at = $1 WHERE channel = 'push'",
			sqldb.Micros(h.Now().Add(5*time.Minute)))
		require.NoError(t, err)
		h.Consumes(t, shipped)
		h.Advance(4 * time.Minute)
		h.Settle(t)
		require.Empty(t, b.Received())
		h.Advance(time.Minute + time.Second)
		h.Settle(t)
		require.Len(t, b.Received(), 1)
		require.Equal(t, "order.shipped", b.Received()[0].Kind)
	})
}

// See inbox.TestAnEventThatWasParkedByAClockThatWasAheadIsRetried.
func TestAClockThatWasAheadSilencesNoBrowser(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		const year = 365 * 24 * time.Hour
		b := subscribed(t, h, p, ada)
		h.Advance(year)
		b.Answer(pushservice.Answer{Status: 429, RetryAfter: "1800"})
		h.Consumes(t, adaRegistered, paid)
		require.Equal(t, 1, b.Requests())
		h.Advance(-year)
		h.Step(t, "delete-mails")
		h.Settle(t)
		require.Len(t, b.Received(), 1)
	})
}

package notifications_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/services/notifications"
)

// receiver is another system of the shop. It verifies every message.
type receiver struct {
	url string

	mu      sync.Mutex
	secrets []string          // that it accepts; none: it does not verify
	answer  func(message) int // nil: 204
	got     []message         // that it has accepted
	calls   int
	invalid int
}

type message struct {
	ID, Type string
	Data     map[string]any
	raw      string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL + "/hook"
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	m := message{raw: string(body)}
	_ = json.Unmarshal(body, &m)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	id := request.Header.Get("webhook-id")
	if len(r.secrets) > 0 && !verified(r.secrets, id, request.Header, body) || id != m.ID || request.Header.Get("Content-Type") != "application/cloudevents+json" {
		r.invalid++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	status := http.StatusNoContent
	if r.answer != nil {
		status = r.answer(m)
	}
	if status/100 == 2 {
		r.got = append(r.got, m)
	}
	w.WriteHeader(status)
}

// verified reports whether one of the signatures is that of one of the secrets.
func verified(secrets []string, id string, h http.Header, body []byte) bool {
	for _, secret := range secrets {
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, h.Get("webhook-timestamp"), body)
		if strings.Contains(h.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))) {
			return true
		}
	}
	return false
}

func (r *receiver) types() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got {
		all = append(all, m.Type)
	}
	return all
}

func (r *receiver) called() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

func (r *receiver) answers(answer func(message) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func always(status int) func(message) int { return func(message) int { return status } }

// subscribe creates a webhook and returns its id and its secret.
func subscribe(t *testing.T, h *servicetest.Harness, url string, types ...string) (id, secret string) {
	t.Helper()
	created := h.As("root", auth.Admin).Post(t, "/webhooks", map[string]any{"url": url, "events": types}).Want(t, 201, "enabled", true)
	return created.Field(t, "id"), created.Field(t, "secret")
}

// eventually steps the workers until a condition holds: attempts run beside them.
func eventually(t *testing.T, h *servicetest.Harness, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, func() bool { h.Settle(t); return condition() }, 30*time.Second, 2*time.Millisecond, what)
}

// advance waits for the attempts at a webhook, moves the time on, and waits for the attempts at a webhook that are then due.
func advance(t *testing.T, h *servicetest.Harness, id string, d time.Duration) {
	t.Helper()
	idle := func() bool { return len(deliveriesTo(t, h, id, "&state=sending")) == 0 }
	eventually(t, h, idle, "attempts that do not end")
	h.Advance(d)
	eventually(t, h, idle, "attempts that do not end")
}

type webhookDelivery struct {
	ID, State, Reply string
	EventType        string `json:"event_type"`
	Attempts, Status int
	NextAt           time.Time `json:"next_at"`
	Event            json.RawMessage
	Log              []struct {
		N, Status int
		State     string
	}
}

func deliveriesTo(t *testing.T, h *servicetest.Harness, id, query string) []webhookDelivery {
	t.Helper()
	var page struct{ Items []webhookDelivery }
	h.As("root", auth.Admin).Get(t, "/webhooks/"+id+"/deliveries?limit=100"+query).Want(t, 200).JSON(t, &page)
	return page.Items
}

func states(t *testing.T, h *servicetest.Harness, id string) (all []string) {
	t.Helper()
	for _, d := range deliveriesTo(t, h, id, "") {
		all = append(all, d.State)
	}
	return all
}

func TestEventsAreSentToTheWebhooksThatWantThem(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp, crm := newReceiver(t), newReceiver(t)
		_, secret := subscribe(t, h, erp.url, "order.paid.v1", "order.shipped.v1")
		erp.secrets = []string{secret}
		_, secret = subscribe(t, h, crm.url, "user.registered.v1")
		crm.secrets = []string{secret}

		h.Consumes(t, adaRegistered, created, paid, shipped)
		eventually(t, h, func() bool { return len(erp.types()) == 2 && len(crm.types()) == 1 }, "events are missing")
		require.Equal(t, []string{"order.paid.v1", "order.shipped.v1"}, erp.types())
		require.Equal(t, "ada@example.test", crm.got[0].Data["email"])
		require.Equal(t, map[string]any{"amount": 3048.0, "currency": "EUR"}, erp.got[0].Data["amount"])

		h.Redelivers(t)
		_, err := h.DB.Exec(t.Context(), "DELETE FROM inbox") // then the delivery's own key must suffice
		require.NoError(t, err)
		h.Redelivers(t)
		require.Equal(t, 3, erp.called()+crm.called(), "an event was sent twice")
		require.Zero(t, erp.invalid+crm.invalid, "a signature was wrong")
	})
}

// The accounts are published again, because this service or another has lost them.
func TestAccountsThatArePublishedAgainAreNotSentToWebhooks(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		updated := func(email string, version int64) events.UserUpdated {
			return events.UserUpdated{UserID: ada, Email: email, Name: "Ada", Locale: "en", Version: version}
		}
		crm := newReceiver(t)
		id, _ := subscribe(t, h, crm.url, "user.updated.v1")
		h.Consumes(t, adaRegistered, updated("lovelace@example.test", 2))
		h.Consumes(t, updated("lovelace@example.test", 2), updated("lovelace@example.test", 2))
		h.Consumes(t, updated("ada@example.test", 3))
		eventually(t, h, func() bool { return slices.Equal([]string{"sent", "sent"}, states(t, h, id)) }, "only the two changes are sent")
		require.Len(t, crm.types(), 2)
	})
}

func TestAnEventIsRetriedUntilItIsAccepted(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "order.paid.v1")
		erp.answers(always(500))
		h.Consumes(t, adaRegistered, paid)
		eventually(t, h, func() bool { return deliveriesTo(t, h, id, "")[0].State == "deferred" }, "the attempt is not recorded")
		require.Equal(t, 1, erp.called())
		h.As("root", auth.Admin).Get(t, "/webhooks/"+id).Want(t, 200, "failing_since", "2026-01-01T12:00:00.000000Z")

		erp.answers(nil)
		h.Advance(time.Minute)
		eventually(t, h, func() bool { return states(t, h, id)[0] == "sent" }, "it is not sent again")
		d := deliveriesTo(t, h, id, "")[0]
		var shown webhookDelivery
		h.As("root", auth.Admin).Get(t, "/webhooks/"+id+"/deliveries/"+d.ID).Want(t, 200,
			"attempts", 2, "status", 204, "event.type", "order.paid.v1", "log.0.status", 500, "log.0.state", "deferred", "log.1.state", "sent").JSON(t, &shown)
		require.Len(t, erp.got, 1)
		h.As("root", auth.Admin).Get(t, "/webhooks/"+id).Want(t, 200, "failing_since", nil)
	})
}

// A sender may stop after the receiver has accepted the event, and before that is
// recorded. The event is sent again under the same id, by which the receiver knows it.
func TestAnEventWhoseSenderStoppedIsSentAgainUnderTheSameID(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "order.paid.v1")
		h.Consumes(t, adaRegistered, paid)
		eventually(t, h, func() bool { return states(t, h, id)[0] == "sent" }, "it is not sent")
		_, err := h.DB.Exec(t.Context(), "UPDATE webhook_deliveries SET state = 'sending', lease = 'of a sender that stopped', next_at = $1", h.Now().Add(time.Minute).UnixMicro())
		require.NoError(t, err)
		h.Settle(t)
		require.Equal(t, 1, erp.called(), "before the lease ends")
		h.Advance(2 * time.Minute)
		eventually(t, h, func() bool { return states(t, h, id)[0] == "sent" }, "it is not sent again")
		require.Len(t, erp.got, 2)
		require.Equal(t, erp.got[0], erp.got[1])
	})
}

func TestADeadEndpointDelaysNobodyElse(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		release := make(chan struct{})
		dead := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		t.Cleanup(dead.Close)
		t.Cleanup(func() { close(release) })
		failing, healthy := newReceiver(t), newReceiver(t)
		failing.answers(always(503))
		recorded := h.Recorded(t)
		subscribe(t, h, dead.URL, "order.shipped.v1")
		failingID, _ := subscribe(t, h, failing.url, "order.shipped.v1")
		subscribe(t, h, healthy.url, "order.shipped.v1")
		h.Consumes(t, adaRegistered)
		for range 50 {
			h.Consumes(t, events.OrderShipped{OrderID: newID(), UserID: ada})
		}
		eventually(t, h, func() bool { return len(healthy.types()) == 50 }, "the others wait for a dead endpoint")

		eventually(t, h, func() bool { return failing.called() >= 5 }, "no attempt")
		eventually(t, h, func() bool { return len(deliveriesTo(t, h, failingID, "&state=sending")) == 0 }, "attempts that do not end")
		calls := failing.called()
		require.Less(t, calls, 15, "the circuit breaker stays closed")
		require.True(t, slices.ContainsFunc(recorded(), func(r journal.Record) bool {
			return r.Breaker != nil && r.Breaker.Dependency == "webhook "+failingID && r.Breaker.To == "OPEN"
		}), "the console shows the circuit")
		h.Settle(t)
		require.Equal(t, calls, failing.called())
		failing.answers(nil)
		for range 60 { // its recovery, then the retries
			advance(t, h, failingID, time.Minute)
		}
		require.Len(t, failing.types(), 50, "it gets nothing although it has recovered")
	})
}

func TestEventsAboutOneOrderAreSentInTheirOrder(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "order.created.v1", "order.paid.v1", "order.shipped.v1")
		erp.answers(func(m message) int {
			if m.Type == "order.created.v1" && m.Data["order_id"] == orderID {
				return 400 // it cannot read this one
			}
			return 204
		})
		other := events.OrderPaid{OrderID: newID(), UserID: ada, Amount: total}
		h.ConsumesBatch(t, adaRegistered, created, paid, shipped, other)
		eventually(t, h, func() bool {
			now := states(t, h, id)
			return slices.Contains(now, "sent") && now[3] == "deferred"
		}, "another order waits")
		require.Len(t, erp.types(), 1)
		require.Equal(t, other.OrderID, erp.got[0].Data["order_id"])

		erp.answers(nil)
		h.Advance(time.Minute)
		eventually(t, h, func() bool { return len(erp.types()) == 4 }, "events are missing")
		require.Equal(t, []string{"order.created.v1", "order.paid.v1", "order.shipped.v1"}, erp.types()[1:])
	})
}

// One event that the receiver cannot take must not hold up an order for three days.
func TestAnEventWaitsOnlySoLongForAnEarlierOne(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "order.created.v1", "order.paid.v1")
		erp.answers(func(m message) int {
			if m.Type == "order.created.v1" {
				return 400
			}
			return 204
		})
		h.ConsumesBatch(t, adaRegistered, created, paid)
		eventually(t, h, func() bool { return states(t, h, id)[1] == "deferred" }, "no attempt")
		require.Empty(t, erp.types())
		h.Advance(time.Hour)
		eventually(t, h, func() bool { return len(erp.types()) == 1 }, "it still waits")
	})
}

func TestAnEndpointThatIsGoneIsDisabled(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "order.paid.v1")
		erp.answers(always(410))
		h.Consumes(t, adaRegistered, paid)
		admin := h.As("root", auth.Admin)
		eventually(t, h, func() bool { return states(t, h, id)[0] == "rejected" }, "it is retried")
		admin.Get(t, "/webhooks/"+id).Want(t, 200, "enabled", false, "disabled_reason", "the endpoint has answered 410 Gone")
		admin.Post(t, "/webhooks/"+id+"/test", nil).Problem(t, 409, "webhook_disabled")
		h.Consumes(t, events.OrderPaid{OrderID: newID(), UserID: ada, Amount: total})
		require.Len(t, states(t, h, id), 1, "nothing is kept for it")
		admin.Get(t, "/audit/notifications?action=disable_webhook").Want(t, 200, "items.0.target", id, "items.0.actor", "system")

		erp.answers(nil)
		admin.Patch(t, "/webhooks/"+id, map[string]any{"enabled": true}).Want(t, 200, "enabled", true, "disabled_reason", nil)
		admin.Post(t, "/webhooks/"+id+"/replay-failed", nil).Want(t, 200, "replayed", 1)
		eventually(t, h, func() bool { return len(erp.types()) == 1 }, "it is not replayed")
	})
}

// See inbox.TestAnEventThatWasParkedByAClockThatWasAheadIsRetried.
func TestAClockThatWasAheadPutsNoWebhookOff(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		const year = 365 * 24 * time.Hour
		erp := newReceiver(t)
		subscribe(t, h, erp.url, "order.paid.v1")
		h.Advance(year)
		erp.answers(always(503))
		h.Consumes(t, adaRegistered, paid)
		eventually(t, h, func() bool { return erp.called() > 0 }, "it is not called")
		h.Settle(t)
		h.Advance(-year)
		erp.answers(nil)
		h.Step(t, "delete-mails")
		eventually(t, h, func() bool { return len(erp.types()) == 1 }, "it waits for the time of the wrong clock")
	})
}

func TestAnEventIsGivenUpAfterThreeDaysAndCanBeReplayed(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "order.paid.v1")
		erp.answers(always(404))
		h.Consumes(t, adaRegistered, paid)
		for states(t, h, id)[0] != "expired" {
			advance(t, h, id, time.Hour)
		}
		require.Greater(t, erp.called(), 10)
		admin := h.As("root", auth.Admin)
		admin.Patch(t, "/webhooks/"+id, map[string]any{"enabled": true}).Want(t, 200) // it may have been disabled at the same time

		d := deliveriesTo(t, h, id, "&state=expired")[0]
		erp.answers(nil)
		admin.Post(t, "/webhooks/"+id+"/deliveries/"+d.ID+"/replay", nil).Want(t, 200, "state", "queued")
		admin.Post(t, "/webhooks/"+id+"/deliveries/"+d.ID+"/replay", nil).Problem(t, 409, "delivery_not_replayable")
		eventually(t, h, func() bool { return states(t, h, id)[0] == "sent" }, "it is not replayed")
		require.Len(t, erp.types(), 1)
		admin.Post(t, "/webhooks/"+id+"/deliveries/nonsense/replay", nil).Problem(t, 404, "delivery_not_found")
		other, _ := subscribe(t, h, erp.url, "order.paid.v1")
		admin.Post(t, "/webhooks/"+other+"/deliveries/"+d.ID+"/replay", nil).Problem(t, 404, "delivery_not_found")

		h.Advance(169 * time.Hour) // the retention
		h.Settle(t)
		require.Empty(t, deliveriesTo(t, h, id, ""))
		h.As("root", auth.Admin).Delete(t, "/webhooks/"+id).Want(t, 204)
		h.As("root", auth.Admin).Get(t, "/webhooks/"+id).Problem(t, 404, "webhook_not_found")
	})
}

func TestTwoSecretsSignDuringARotation(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, first := subscribe(t, h, erp.url, "order.paid.v1")
		admin := h.As("root", auth.Admin)
		admin.Get(t, "/webhooks/"+id).Want(t, 200, "secret", nil)
		second := admin.Post(t, "/webhooks/"+id+"/rotate-secret", nil).Want(t, 200, "previous_secret_until", "2026-01-02T12:00:00.000000Z").Field(t, "secret")
		require.NotEqual(t, first, second)
		send := func(secret string, valid bool) {
			erp.mu.Lock()
			erp.secrets, erp.invalid = []string{secret}, 0
			erp.mu.Unlock()
			before := erp.called()
			h.As("root", auth.Admin).Post(t, "/webhooks/"+id+"/test", nil).Want(t, 202, "event_type", "webhook.test.v1", "state", "queued")
			eventually(t, h, func() bool { return erp.called() > before }, "the test event is not sent")
			require.Equal(t, valid, erp.invalid == 0)
		}
		send(first, true)
		send(second, true)
		h.Advance(24 * time.Hour)
		send(second, true)
		send(first, false)
	})
}

func TestABadWebhookIsRefusedAndChangesNothing(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		admin := h.As("root", auth.Admin)
		ok := map[string]any{"url": "https://shop.example/hook", "events": []string{"order.paid.v1"}}
		with := func(name string, value any) map[string]any {
			body := map[string]any{"url": ok["url"], "events": ok["events"]}
			body[name] = value
			return body
		}
		for _, url := range []string{"http://shop.example/", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest", "file:///etc/passwd", "nonsense", "https://a:b@shop.example/"} {
			admin.Post(t, "/webhooks", with("url", url)).Problem(t, 422, "webhook_url_invalid")
		}
		for _, types := range [][]string{{"order.paid"}, {"session.revoked.v1"}, {"order.paid.v1", "*"}} {
			admin.Post(t, "/webhooks", with("events", types)).Problem(t, 422, "event_type_unknown")
		}
		admin.Post(t, "/webhooks", with("events", []string{})).Problem(t, 422, "validation_failed")
		admin.Get(t, "/webhooks").Want(t, 200, "items.0", nil)

		id := admin.Post(t, "/webhooks", ok).Want(t, 201).Field(t, "id")
		admin.Patch(t, "/webhooks/"+id, map[string]any{"url": "https://10.0.0.1/"}).Problem(t, 422, "webhook_url_invalid")
		admin.Get(t, "/webhooks/"+id).Want(t, 200, "url", "https://shop.example/hook")
		admin.Patch(t, "/webhooks/nonsense", map[string]any{"enabled": false}).Problem(t, 404, "webhook_not_found")
		for range 49 {
			admin.Post(t, "/webhooks", ok).Want(t, 201)
		}
		admin.Post(t, "/webhooks", ok).Problem(t, 409, "too_many_webhooks")
		for _, c := range []*servicetest.Client{h.As(ada, auth.User), h.Anonymous()} {
			require.Contains(t, []int{401, 403}, c.Post(t, "/webhooks", ok).Status)
			require.Contains(t, []int{401, 403}, c.Get(t, "/webhooks").Status)
			require.Contains(t, []int{401, 403}, c.Get(t, "/webhooks/"+id+"/deliveries").Status)
		}
	}, servicetest.Setting("TROUPE_ENV", "production"), servicetest.Setting("NOTIFICATIONS_MAILBOX", "true"))
}

func TestARepeatedCreationIsOneWebhook(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		once := h.As("root", auth.Admin).With("Idempotency-Key", "k")
		body := map[string]any{"url": "https://shop.example/hook", "events": []string{"order.paid.v1"}}
		first, second := once.Post(t, "/webhooks", body).Want(t, 201), once.Post(t, "/webhooks", body).Want(t, 201)
		require.Equal(t, first.Field(t, "id"), second.Field(t, "id"))
		require.Equal(t, first.Field(t, "secret"), second.Field(t, "secret"))
		var stored int
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM idempotency_keys WHERE answer LIKE '%whsec%'").Scan(&stored))
		require.Zero(t, stored, "the secret is stored a second time")
	})
}

// After the deletion of an account nothing of the user is left in what is kept for
// webhooks, and what waits is sent without the user.
func TestADeletedUserIsErasedFromWebhooks(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "user.registered.v1", "user.deleted.v1", "order.created.v1", "order.paid.v1", "order.shipped.v1")
		h.Consumes(t, adaRegistered, created)
		eventually(t, h, func() bool { return len(erp.types()) == 2 }, "events are missing")
		erp.answers(always(500))
		h.Consumes(t, paid, events.UserRegistered{UserID: ada, Email: "ada@example.test", Name: "Ada", Locale: "en", Version: 1})
		eventually(t, h, func() bool { return len(deliveriesTo(t, h, id, "&state=deferred")) == 2 }, "both wait")

		erp.answers(nil)
		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2}, shipped)
		for range 40 {
			advance(t, h, id, time.Minute)
		}
		require.Len(t, erp.types(), 5)
		require.ElementsMatch(t, []string{"order.paid.v1", "user.deleted.v1", "order.shipped.v1"}, erp.types()[2:])
		for _, m := range erp.got[2:] {
			if m.Type == "user.deleted.v1" {
				require.Contains(t, m.raw, ada, "the receiver has to know whom to erase")
				continue
			}
			require.NotContains(t, m.raw, ada)
			require.Equal(t, orderID, m.Data["order_id"])
		}
		var left int
		require.NoError(t, h.DB.QueryRow(t.Context(), `SELECT COUNT(*) FROM webhook_deliveries
			WHERE user_id <> '' OR body LIKE '%'||$1||'%' OR body LIKE '%ada@example.test%' OR reply LIKE '%ada%'`, ada).Scan(&left))
		require.Zero(t, left)
		require.ElementsMatch(t, []string{"sent", "sent", "sent", "sent", "suppressed", "sent"}, states(t, h, id))
	})
}

// The receiver answers only after the account was deleted: the event about it is not sent
// a second time without its body.
func TestAnAttemptDuringWhichItsUserIsDeletedIsTheLast(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "user.registered.v1")
		began, goOn := make(chan bool, 10), make(chan bool)
		erp.answers(func(message) int { began <- true; <-goOn; return 500 })
		h.Consumes(t, adaRegistered)
		<-began
		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2})
		close(goOn)
		advance(t, h, id, time.Hour)
		require.Equal(t, []string{"suppressed"}, states(t, h, id))
		require.Equal(t, 1, erp.called())
	})
}

func TestAnEventWhoseSenderStoppedIsGivenUpIfItsWebhookIsDisabled(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		id, _ := subscribe(t, h, erp.url, "order.paid.v1")
		h.Consumes(t, adaRegistered, paid)
		eventually(t, h, func() bool { return states(t, h, id)[0] == "sent" }, "it is not sent")
		h.As("root", auth.Admin).Patch(t, "/webhooks/"+id, map[string]any{"enabled": false}).Want(t, 200)
		_, err := h.DB.Exec(t.Context(), "UPDATE webhook_deliveries SET state = 'sending', lease = 'of a sender that stopped', next_at = $1", h.Now().Add(time.Minute).UnixMicro())
		require.NoError(t, err)
		h.Advance(73 * time.Hour)
		h.Settle(t)
		require.Equal(t, []string{"expired"}, states(t, h, id))
	})
}

package rabbit_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
)

const publicExchange = "troupe.events.public"

// openPublic opens a bus that publishes for consumers outside too, several events in a message.
func openPublic(t *testing.T, url string) *rabbit.Bus {
	t.Helper()
	c := config(t, url, shared)
	c.EventsPerMessage, c.Public = 50, true
	b, err := rabbit.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// bindOutside declares a queue of a consumer outside and binds it.
func bindOutside(t *testing.T, url, name, key string, arguments amqp.Table) {
	t.Helper()
	withChannel(t, url, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(name, true, false, false, false, arguments)
		require.NoError(t, err)
		require.NoError(t, ch.QueueBind(name, key, publicExchange, false, nil))
	})
}

// An event reaches an outsider once, by itself and under its plain type, however many
// services consume it, and whether any does, unless it is for one service alone.
func TestAConsumerOutsideGetsEachEventOnce(t *testing.T) {
	t.Parallel()
	at := rabbittest.URL(t)
	b := openPublic(t, at)
	bindOutside(t, at, "erp.everything", "#", nil)
	bindOutside(t, at, "erp.invoices", "invoice.#", nil)
	publish(t, b, append(invoices("a", "b", "c"), bus.Message{ID: "audit", Type: "audit.done.v1", Body: []byte("{}")},
		bus.Message{ID: "again", Type: "audit.done.v1", Body: []byte(`{"id":"again","recipient":"archive"}`)})...)

	everything := get(t, at, "erp.everything")
	require.Len(t, everything, 4)
	for i, id := range []string{"a", "b", "c", "audit"} {
		require.Equal(t, id, everything[i].MessageId)
		require.Equal(t, "application/cloudevents+json", everything[i].ContentType)
		require.Equal(t, everything[i].Type, everything[i].RoutingKey)
	}
	require.Len(t, get(t, at, "erp.invoices"), 3)
	require.Equal(t, []int{3}, eventsIn(t, get(t, at, queue)), "the services get theirs, and no more")
}

// A queue outside that is bound to everything does not hide that a service has none.
func TestAConsumerOutsideHidesNoMissingQueue(t *testing.T) {
	t.Parallel()
	at := rabbittest.URL(t)
	b := openPublic(t, at)
	bindOutside(t, at, "erp.everything", "#", nil)
	publish(t, b, invoices("first")...) // a session declares what is missing
	deleteQueue(t, at, "archive.events.v1")
	require.ErrorIs(t, b.Publish(t.Context(), invoices("a"))[0], bus.ErrUnroutable)
}

// What a full queue outside refuses is no failure of the event.
func TestAFullQueueOutsideHoldsUpNoService(t *testing.T) {
	t.Parallel()
	at := rabbittest.URL(t)
	b := openPublic(t, at)
	bindOutside(t, at, "erp.full", "#", amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
	publish(t, b, invoices("a", "b", "c")...)
	publish(t, b, invoices("d")...)
	require.Len(t, get(t, at, "erp.full"), 1)
	require.Equal(t, []int{3, 1}, eventsIn(t, get(t, at, queue)))
}

func TestNothingIsPublishedOutsideUnlessItIsSet(t *testing.T) {
	t.Parallel()
	at := rabbittest.URL(t)
	openPublic(t, at)
	bindOutside(t, at, "erp.everything", "#", nil)
	publish(t, openWith(t, at, shared, 50), invoices("a")...)
	require.Empty(t, get(t, at, "erp.everything"))
}

// A consumer outside has a user of its own, with the permissions that docs/INTEGRATION.md
// gives it.
func TestAConsumerOutsideReadsItsTypesAndNothingElse(t *testing.T) {
	t.Parallel()
	at := rabbittest.URL(t)
	vhost := parsedURL(t, at).Path[1:]
	b := openPublic(t, at)
	user := vhost + "-erp"
	rabbittest.Admin(t, http.MethodPut, "/api/users/"+user, `{"password":"secret","tags":""}`)
	t.Cleanup(func() { rabbittest.Admin(t, http.MethodDelete, "/api/users/"+user, "") })
	rabbittest.Admin(t, http.MethodPut, "/api/permissions/"+vhost+"/"+user,
		`{"configure":"^erp\\..*","write":"^erp\\..*","read":"^(troupe\\.events\\.public|erp\\..*)$"}`)
	rabbittest.Admin(t, http.MethodPut, "/api/topic-permissions/"+vhost+"/"+user,
		`{"exchange":"troupe.events.public","write":"^$","read":"^invoice\\.sent\\.v1$"}`)
	erp := rabbittest.At(t, at, func(u *url.URL) { u.User = url.UserPassword(user, "secret") })
	bindOutside(t, erp, "erp.invoices", "invoice.sent.v1", nil)
	publish(t, b, invoices("a")...)
	require.Len(t, get(t, erp, "erp.invoices"), 1)

	for name, forbidden := range map[string]func(ch *amqp.Channel) error{
		"another type": func(ch *amqp.Channel) error {
			return ch.QueueBind("erp.invoices", "receipt.sent.v1", publicExchange, false, nil)
		},
		"every type":        func(ch *amqp.Channel) error { return ch.QueueBind("erp.invoices", "#", publicExchange, false, nil) },
		"services' events":  func(ch *amqp.Channel) error { return ch.QueueBind("erp.invoices", "#", "troupe.events", false, nil) },
		"a service's queue": func(ch *amqp.Channel) error { _, _, err := ch.Get(queue, true); return err },
		"a queue of another": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("wms.all", true, false, false, false, nil)
			return err
		},
	} {
		connection, err := amqp.Dial(erp)
		require.NoError(t, err)
		channel, err := connection.Channel()
		require.NoError(t, err)
		err = forbidden(channel)
		require.Error(t, err, name)
		require.True(t, strings.Contains(err.Error(), "403"), "%s: %v", name, err)
		_ = connection.Close() // the refusal has closed the channel
	}
}

func parsedURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

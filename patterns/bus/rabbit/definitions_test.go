package rabbit_test

import (
	"context"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
)

// accounts are those of a sender of invoices, its two consumers, and an operator.
var accounts = []rabbit.Account{
	{Name: "sender", Password: "first", Publishes: []string{"invoice.sent.v1", "audit.done.v1"}},
	{Name: "billing", Password: "second"},
	{Name: "archive", Password: "third", Publishes: []string{"receipt.sent.v1"}},
	{Name: "operator", Password: "fourth", Administrator: true},
}

// importAccounts returns the URL of each account.
func importAccounts(t *testing.T) map[string]string {
	t.Helper()
	definitions, err := rabbit.Definitions("/", shared, accounts)
	require.NoError(t, err)
	return rabbittest.Import(t, definitions)
}

func TestAServiceWorksWithNoMoreThanItsOwnPermissions(t *testing.T) {
	t.Parallel()
	urls := importAccounts(t)
	sender, archive := open(t, urls["sender"], shared), open(t, urls["archive"], shared)
	billing := subscribe(t, open(t, urls["billing"], shared), nil)
	publish(t, sender, append(invoices("a"), bus.Message{ID: "audit", Type: "audit.done.v1"})...)
	publish(t, archive, bus.Message{ID: "receipt", Type: "receipt.sent.v1"})
	billing.waitFor(t, "a", "receipt")
	subscribeAs(t, archive, "archive", nil).waitFor(t, "a")

	withChannel(t, urls["operator"], func(ch *amqp.Channel) {
		require.NoError(t, ch.Publish("troupe.dead", "billing", true, false, amqp.Publishing{MessageId: "dead"}))
	})
	billing.waitFor(t, "dead")
}

// Each attempt is one of a service that an attacker has taken over.
func TestAServiceCanDoNothingInTheNameOfAnother(t *testing.T) {
	t.Parallel()
	send := func(exchange, key string) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			require.NoError(t, ch.Confirm(false))
			confirm, err := ch.PublishWithDeferredConfirm(exchange, key, false, false, amqp.Publishing{Type: "invoice.sent.v1"})
			require.NoError(t, err)
			if confirm.Wait() {
				return nil
			}
			return amqp.ErrClosed
		}
	}
	urls := importAccounts(t)
	for _, test := range []struct {
		name    string
		attempt func(ch *amqp.Channel) error
	}{
		{"publish an event of another", send("troupe.events", "invoice.sent.v1.billing")},
		{"publish an own event to another consumer", send("troupe.events", "receipt.sent.v1.archive")},
		{"publish past the exchange", send("", "billing.events.v1")},
		{"forge a dead letter", send("troupe.dead", "billing")},
		{"read the queue of another", func(ch *amqp.Channel) error {
			_, _, err := ch.Get("billing.events.v1", true)
			return err
		}},
		{"read the dead letters of another", func(ch *amqp.Channel) error {
			_, err := ch.Consume("billing.dead.v1", "", true, false, false, false, nil)
			return err
		}},
		{"empty the queue of another", func(ch *amqp.Channel) error {
			_, err := ch.QueuePurge("billing.events.v1", false)
			return err
		}},
		{"unbind the queue of another", func(ch *amqp.Channel) error {
			return ch.QueueUnbind("billing.events.v1", "invoice.sent.v1.billing", "troupe.events", nil)
		}},
		{"listen to everything", func(ch *amqp.Channel) error {
			return ch.QueueBind("archive.events.v1", "#", "troupe.events", false, nil)
		}},
		{"declare a queue of its own", func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("spy", false, true, true, false, nil)
			return err
		}},
		{"delete the queue of another", func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete("billing.events.v1", false, false, false)
			return err
		}},
		{"delete the exchange", func(ch *amqp.Channel) error { return ch.ExchangeDelete("troupe.events", false, false) }},
	} {
		withChannel(t, urls["archive"], func(ch *amqp.Channel) {
			reason := ch.NotifyClose(make(chan *amqp.Error, 1))
			require.Error(t, test.attempt(ch), test.name)
			require.Equal(t, amqp.AccessRefused, (<-reason).Code, test.name)
		})
		withChannel(t, urls["operator"], func(ch *amqp.Channel) { // the attempt itself is a sound one
			require.NoError(t, test.attempt(ch), test.name)
		})
	}
}

// The broker checks the routing key. What the message claims to be is not believed.
func TestAMessageIsOfTheTypeUnderWhichItWasPublished(t *testing.T) {
	t.Parallel()
	urls := importAccounts(t)
	withChannel(t, urls["archive"], func(ch *amqp.Channel) {
		forged := amqp.Publishing{MessageId: "forged", Type: "invoice.sent.v1"}
		require.NoError(t, ch.Publish("troupe.events", "receipt.sent.v1.billing", true, false, forged))
	})
	types := make(chan string, 1)
	subscribe(t, open(t, urls["billing"], shared), func(_ context.Context, batch []bus.Delivery) error {
		types <- batch[0].Type
		return nil
	})
	require.Equal(t, "receipt.sent.v1", <-types)
}

func TestWithoutItsQueuesAServiceThatMayNotDeclareThemDoesNotStart(t *testing.T) {
	t.Parallel()
	urls := importAccounts(t)
	deleteQueue(t, urls["operator"], deadQueue)
	_, err := rabbit.Open(t.Context(), config(t, urls["sender"], shared))
	require.ErrorContains(t, err, "import deploy/rabbitmq/definitions.json")
	require.ErrorContains(t, err, deadQueue)
}

// A queue that goes missing later holds up its own messages only.
func TestAMissingQueueDoesNotStopAServiceThatMayNotDeclareIt(t *testing.T) {
	t.Parallel()
	urls := importAccounts(t)
	sender := open(t, urls["sender"], shared)
	deleteQueue(t, urls["operator"], queue)
	errs := sender.Publish(t.Context(), append(invoices("a"), bus.Message{ID: "audit", Type: "audit.done.v1"}))
	require.ErrorIs(t, errs[0], bus.ErrUnroutable)
	require.NoError(t, errs[1])
}

func TestDefinitionsKnowEveryPublishedType(t *testing.T) {
	t.Parallel()
	_, err := rabbit.Definitions("/", shared, []rabbit.Account{{Name: "sender", Publishes: []string{"invoice.lost.v1"}}})
	require.ErrorIs(t, err, bus.ErrUnknownType)
}

package rabbit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
)

// declareClassic declares a queue as versions before quorum queues did.
func declareClassic(t *testing.T, url string) {
	t.Helper()
	withChannel(t, url, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
		require.NoError(t, err)
	})
}

// check returns what the operator's check finds.
func check(t *testing.T, url string) []string {
	t.Helper()
	differences, err := rabbit.Check(url, topology)
	require.NoError(t, err)
	return differences
}

func move(t *testing.T, url string) (report []string) {
	t.Helper()
	require.NoError(t, rabbit.Move(t.Context(), url, topology, func(what string) { report = append(report, what) }, func(int) {}))
	return report
}

// Every upgrade to quorum queues finds classic ones. Production refuses them with the command that
// replaces them.
func TestAQueueWithOtherArgumentsIsRefusedInProduction(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	declareClassic(t, url)
	c := config(t, url, topology)
	c.RefuseOtherQueues = true
	_, err := rabbit.Open(t.Context(), c)
	require.ErrorContains(t, err, "run 'troupe queues move'")
	require.ErrorContains(t, err, "'billing.events.v1'")
	require.Len(t, check(t, url), 1)
	require.Contains(t, check(t, url)[0], "queue billing.events.v1 has other arguments: run 'troupe queues move': ")

	move(t, url)
	require.Empty(t, check(t, url))
	b, err := rabbit.Open(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, b.Close())
}

func TestTheEventsOfAQueueWithOtherArgumentsAreMoved(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	declareClassic(t, url)
	b := open(t, url, topology)
	publish(t, b, invoices(numbered(0, 700)...)...)

	published := publishUntil(t, b) // services publish in the meantime
	ctx, interrupt := context.WithCancel(t.Context())
	var moved []int
	err := rabbit.Move(ctx, url, topology, func(string) { interrupt() }, func(n int) { moved = append(moved, n) })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []int{256, 512}, moved[:2], "the messages of a queue are counted")
	require.Contains(t, check(t, url), "queue billing.events.v1.moving is left of a move that was interrupted: run 'troupe queues move' again")
	move(t, url)
	ids := append(numbered(0, 700), published()...)
	require.Greater(t, len(ids), 700)
	require.Empty(t, check(t, url))
	require.Empty(t, move(t, url), "nothing is left to do")

	c := subscribe(t, b, nil)
	c.waitFor(t, ids...)
	require.Equal(t, []int{0}, c.received("00000"), "the attempts start again")
}

// publishUntil publishes one message after the other until the function that it returns is
// called, which returns their ids.
func publishUntil(t *testing.T, b *rabbit.Bus) (stop func() []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var ids []string
	var ended sync.WaitGroup
	ended.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			id := fmt.Sprintf("live %d", n)
			if err := b.Publish(context.WithoutCancel(ctx), invoices(id))[0]; err != nil {
				t.Error(err)
			}
			ids = append(ids, id)
		}
	})
	stop = func() []string { cancel(); ended.Wait(); return ids }
	t.Cleanup(func() { stop() })
	return stop
}

func TestAQueueThatIsConsumedIsNotMoved(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	declareClassic(t, url)
	b := open(t, url, topology)
	c := subscribe(t, b, nil)
	publish(t, b, invoices("a")...)
	c.waitFor(t, "a")
	err := rabbit.Move(t.Context(), url, topology, func(string) {}, func(int) {})
	require.ErrorContains(t, err, "billing.events.v1: a service consumes it: stop the service, then run this again; nothing is lost")
	publish(t, b, invoices("b")...)
	c.waitFor(t, "b")
}

func TestTheCheckFindsWhatIsMissingOrOfAnotherType(t *testing.T) {
	t.Parallel()
	url := otherExchange(t, rabbittest.URL(t))
	all := check(t, url)
	require.Len(t, all, 4)
	require.Contains(t, all[0], "exchange troupe.dead is missing")
	require.Contains(t, all[1], "exchange troupe.events is another one: stop the services, delete it")
	require.Contains(t, all[2], "queue billing.dead.v1 is missing")
	require.Contains(t, all[3], "queue billing.events.v1 is missing")
	require.ErrorContains(t, rabbit.Move(t.Context(), url, topology, nil, nil), "troupe.events: ")
	require.Equal(t, all, check(t, url), "the check changes nothing")
}

// A policy is invisible to services, but not to the management API.
func TestTheCheckFindsPoliciesThatTakeEvents(t *testing.T) {
	t.Parallel()
	at := rabbittest.URL(t)
	open(t, at, topology)
	management := os.Getenv(rabbittest.AdminVariable)
	all, err := rabbit.CheckPolicies(t.Context(), management, at, topology)
	require.NoError(t, err)
	require.Empty(t, all)
	setPolicy(t, at, "billing", `{"message-ttl":1000,"max-length":10,"expires":60000}`)
	all, err = rabbit.CheckPolicies(t.Context(), management, at, topology)
	require.NoError(t, err)
	require.Contains(t, all, "policy odd sets message-ttl = 1000 for queue billing.events.v1: events that wait longer than that leave the queue, and become dead letters")
	require.Contains(t, all, "policy odd sets expires = 60000 for queue billing.dead.v1: the queue is deleted with its events when its service is down for that long")
	_, err = rabbit.CheckPolicies(t.Context(), "rabbit:15672", at, topology)
	require.ErrorContains(t, err, "http://user:password@host:15672")
}

// Events that a policy removes from a queue, because no service took them in time, become
// dead letters: they are parked, and an operator replays them.
func TestAnEventThatAPolicyExpiresBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b, log := openWithLog(t, url)
	setPolicy(t, url, `billing\.events`, `{"message-ttl":1}`)
	publish(t, b, invoices("a", "b")...)
	waitForMessages(t, url, deadQueue, 2)
	c := subscribe(t, b, nil)
	c.waitFor(t, "a", "b")
	require.Equal(t, []int{21}, c.received("a"), "so many attempts that the inbox parks it")
	require.Equal(t, 1, log.count("remove its message-ttl"))
}

// openWithLog opens a bus that refuses queues with other arguments, as in production.
func openWithLog(t *testing.T, url string) (*rabbit.Bus, *logBuffer) {
	t.Helper()
	c, log := config(t, url, topology), &logBuffer{}
	c.Log, c.RefuseOtherQueues = slog.New(slog.NewTextHandler(log, nil)), true
	b, err := rabbit.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b, log
}

// A service that may not declare queues cannot compare their arguments either. It notices a
// classic queue when a message comes back.
func TestAServiceThatMayNotDeclareNoticesAClassicQueue(t *testing.T) {
	t.Parallel()
	urls := importAccounts(t)
	deleteQueue(t, urls["operator"], queue)
	declareClassic(t, urls["operator"])
	withChannel(t, urls["operator"], func(ch *amqp.Channel) {
		require.NoError(t, ch.QueueBind(queue, "invoice.sent.v1.billing", "troupe.events", false, nil))
	})
	publish(t, open(t, urls["sender"], shared), invoices("a")...)
	b, log := openWithLog(t, urls["billing"])
	subscribe(t, b, func(_ context.Context, batch []bus.Delivery) error {
		if batch[0].Attempt == 0 {
			return errors.New("it does not work the first time")
		}
		return nil
	}).waitFor(t, "a")
	log.waitFor(t, "the queue is no quorum queue")
}

// setPolicy sets a policy for the queues whose names begin so.
func setPolicy(t *testing.T, at, prefix, definition string) {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	body, err := json.Marshal(map[string]any{"pattern": "^" + prefix, "apply-to": "queues", "definition": json.RawMessage(definition)})
	require.NoError(t, err)
	rabbittest.Admin(t, http.MethodPut, "/api/policies"+u.Path+"/odd", string(body))
}

// A queue that a policy limits refuses events, and they wait in the outbox.
func TestAQueueThatAPolicyLimitsRefusesEvents(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	setPolicy(t, url, `billing\.events`, `{"max-length":2}`)
	require.Eventually(t, func() bool { return b.Publish(t.Context(), invoices("a"))[0] != nil }, timeout, tick)
	require.ErrorContains(t, b.Publish(t.Context(), invoices("b"))[0], "a queue is full")
	c := subscribe(t, b, nil)
	c.waitFor(t, "a")
	require.Eventually(t, func() bool { return b.Publish(t.Context(), invoices("b"))[0] == nil }, timeout, tick)
	c.waitFor(t, "b")
}

// A stranger makes a deleted queue again, as a classic one and without bindings
// (makasim/amqpextra#5). It is bound and used, and the log has the command that replaces it.
func TestAQueueThatAStrangerMadeAgainIsConsumed(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b, log := openWithLog(t, url) // it refuses the start only: a service that runs goes on
	publish(t, b, invoices("before")...)
	deleteQueue(t, url, queue)
	declareClassic(t, url)
	require.ErrorIs(t, b.Publish(t.Context(), invoices("after"))[0], bus.ErrUnroutable)
	publish(t, b, invoices("after")...)
	subscribe(t, b, nil).waitFor(t, "after")
	log.waitFor(t, "troupe queues move")
}

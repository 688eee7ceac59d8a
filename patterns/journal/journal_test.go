package journal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
)

// observed is a journal with a clock of the test, and what its sink has received.
type observed struct {
	*journal.Journal
	now      time.Time
	records  []journal.Record
	away     bool // the sink takes nothing
	received int  // calls of the sink
}

func observe(t *testing.T, perSecond int) *observed {
	t.Helper()
	o := &observed{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	o.Journal = journal.New(journal.Config{Instance: "host:1", PerSecond: perSecond, Now: func() time.Time { return o.now }})
	o.SendTo(func(records []journal.Record) error {
		o.received++
		if o.away {
			return errors.New("nobody is there")
		}
		o.records = append(o.records, records...)
		return nil
	})
	return o
}

// step lets some time pass and hands on what was recorded.
func (o *observed) step(t *testing.T, d time.Duration) {
	t.Helper()
	o.now = o.now.Add(d)
	_, err := o.Step(t.Context())
	require.NoError(t, err)
}

func (o *observed) lost() (n int) {
	for _, r := range o.records {
		n += r.Lost
	}
	return n
}

// publish records an event about an order, if the journal keeps it.
func publish(r *journal.Recorder, order string, at time.Time) {
	if r.Keeps(order) {
		r.Published(order, at, journal.Event{ID: "event of " + order, Type: "order.created.v1", Data: json.RawMessage(`{"order_id":"` + order + `"}`)})
	}
}

// handle records an attempt to handle an event about an order, if the journal keeps it.
func handle(r *journal.Recorder, order string, a journal.Attempt) {
	if r.KeepsAttempt(order, a.Outcome) {
		r.Handled(order, a)
	}
}

func TestTheJournalHandsOnWhatServicesRecord(t *testing.T) {
	t.Parallel()
	o := observe(t, 500)
	publish(o.Recorder("orders"), "1", o.now)
	handle(o.Recorder("payments"), "1", journal.Attempt{EventID: "e", Type: "order.created.v1", N: 1, Outcome: journal.OK, FinishedAt: o.now})
	o.Recorder("gateway").Switched(o.now, journal.Breaker{Dependency: "orders", From: "CLOSED", To: "OPEN"})
	o.step(t, 300*time.Millisecond)
	require.Len(t, o.records, 3)
	require.Equal(t, journal.Record{
		Kind: journal.Published, At: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), Service: "orders", Instance: "host:1", OrderID: "1",
		Event: &journal.Event{ID: "event of 1", Type: "order.created.v1", Data: json.RawMessage(`{"order_id":"1"}`)},
	}, o.records[0])
	require.Equal(t, []string{"payments", "gateway"}, []string{o.records[1].Service, o.records[2].Service})

	o.step(t, 300*time.Millisecond)
	require.Len(t, o.records, 3, "each is handed on once")
}

func TestNothingIsRecordedWithoutASink(t *testing.T) {
	t.Parallel()
	var off *journal.Journal
	require.False(t, off.Recorder("orders").Keeps("1"))
	handle(off.Recorder("orders"), "1", journal.Attempt{Outcome: journal.Dead})
	off.Recorder("orders").Served()

	j := journal.New(journal.Config{Instance: "host:1", PerSecond: 500, Now: time.Now})
	require.False(t, j.Recorder("orders").Keeps("1"))
	j.Recorder("orders").Switched(time.Now(), journal.Breaker{})
	_, err := j.Step(t.Context())
	require.NoError(t, err)
}

// The console shows how many events there are, although the journal keeps a share of them.
func TestUnderLoadARecordStandsForThoseThatAreLeftOut(t *testing.T) {
	t.Parallel()
	o := observe(t, 100)
	const orders = 50_000
	for n := range orders {
		publish(o.Recorder("orders"), fmt.Sprintf("0198b4c2-7b19-7000-8000-%012d", n), o.now)
		if n%1000 == 0 {
			handle(o.Recorder("orders"), "one that fails", journal.Attempt{Outcome: journal.Retry})
			o.step(t, 200*time.Millisecond)
		}
	}
	o.step(t, time.Second)
	published, failed, records := 0, 0, 0
	for _, r := range o.records {
		switch r.Kind {
		case journal.Published:
			published += r.Weight()
			records++
		case journal.Handled:
			failed += r.Weight()
		}
	}
	require.Less(t, records, orders/5)
	require.InEpsilon(t, orders, published, 0.2)
	require.Equal(t, orders/1000, failed, "each failure is recorded")
}

// The console shows how many requests a service answers, although most leave no trace.
func TestUnderLoadAllRequestsAreCounted(t *testing.T) {
	t.Parallel()
	o := observe(t, 100)
	const requests = 50_000
	for n := range requests {
		publish(o.Recorder("orders"), fmt.Sprintf("0198b4c2-7b19-7000-8000-%012d", n), o.now)
		o.Recorder("orders").Served()
		if n%1000 == 0 {
			o.Recorder("users").Served()
			o.step(t, 200*time.Millisecond)
		}
	}
	o.step(t, time.Second)
	records := len(o.records)
	o.step(t, time.Second)
	require.Len(t, o.records, records, "no record says that there were no requests")
	served, published := map[string]int{}, 0
	for _, r := range o.records {
		switch r.Kind {
		case journal.Served:
			served[r.Service] += r.Weight()
		case journal.Published:
			published++
		}
	}
	require.Less(t, published, requests/5, "the journal keeps a share of the orders")
	require.Equal(t, map[string]int{"orders": requests, "users": requests / 1000}, served)
}

// Two processes of different load agree: the orders that the busy one records are recorded by
// the other one too.
func TestUnderLoadWholeOrdersAreLeftOut(t *testing.T) {
	t.Parallel()
	busy, calm := observe(t, 20), observe(t, 100)
	orderIDs := make([]string, 1000)
	for n := range orderIDs {
		orderIDs[n] = fmt.Sprintf("0198b4c2-7b19-7000-8000-%012d", n)
	}
	for range 10 { // until the share has settled
		for _, o := range []*observed{busy, calm} {
			o.records = nil
			for _, id := range orderIDs {
				for range 3 {
					publish(o.Recorder("orders"), id, o.now)
				}
			}
			o.step(t, 10*time.Second)
		}
	}
	count := func(o *observed) map[string]int {
		perOrder := map[string]int{}
		for _, r := range o.records {
			if r.Kind == journal.Published {
				perOrder[r.OrderID]++
			}
		}
		return perOrder
	}
	few, many := count(busy), count(calm)
	require.Greater(t, len(many), len(few))
	require.NotEmpty(t, few)
	require.Less(t, len(few), 150, "200 records are permitted in 10 s, and an order has three")
	for id, n := range few {
		require.Equal(t, 3, n, "order %s", id)
		require.Equal(t, 3, many[id], "the process with less load has not recorded order %s", id)
	}
	require.Positive(t, busy.lost(), "a gap reports what was left out")

	for range 20 { // the load ends
		busy.step(t, 10*time.Second)
	}
	for _, id := range orderIDs[:20] {
		publish(busy.Recorder("orders"), id, busy.now)
	}
	busy.records = nil
	busy.step(t, time.Second)
	require.Len(t, count(busy), 20, "everything is recorded again")
}

func TestFailuresAreAlwaysRecorded(t *testing.T) {
	t.Parallel()
	o := observe(t, 1)
	r := o.Recorder("payments")
	for n := range 500 {
		id := fmt.Sprint("order ", n)
		handle(r, id, journal.Attempt{EventID: id, Outcome: journal.OK})
		handle(r, id, journal.Attempt{EventID: id, Outcome: journal.Retry, Error: "connection refused"})
		r.Switched(o.now, journal.Breaker{Dependency: "orders"})
	}
	o.step(t, time.Second)
	kinds := map[string]int{}
	for _, r := range o.records {
		switch {
		case r.Attempt != nil:
			kinds[string(r.Attempt.Outcome)]++
		default:
			kinds[string(r.Kind)]++
		}
	}
	require.Equal(t, 500, kinds["retry"])
	require.Equal(t, 500, kinds["breaker"])
	require.Less(t, kinds["ok"], 100)
	require.Equal(t, 500-kinds["ok"], o.lost())
}

// end records a span, if the journal keeps it.
func end(r *journal.Recorder, s journal.Span) {
	if r.KeepsSpan("", s.TraceID, s.Error != "") {
		r.Span("", s)
	}
}

// A stranger causes as many failed spans as requests: a traceparent with the sampled flag makes
// each recorded.
func TestSpansDoNotDisplaceOrders(t *testing.T) {
	t.Parallel()
	o := observe(t, 20)
	for n := range 2000 {
		end(o.Recorder("gateway"), journal.Span{TraceID: fmt.Sprint("trace ", n), Error: "422"})
		end(o.Recorder("gateway"), journal.Span{TraceID: fmt.Sprint("another trace ", n)})
	}
	for n := range 100 {
		publish(o.Recorder("orders"), fmt.Sprint("order ", n), o.now)
	}
	o.step(t, time.Second)
	kinds := map[journal.Kind]int{}
	for _, r := range o.records {
		kinds[r.Kind]++
	}
	require.Equal(t, 100, kinds[journal.Published], "the orders are recorded as if there were no spans")
	require.Less(t, kinds[journal.Finished], 2200, "of the spans, the failed ones")
	require.Equal(t, 4000-kinds[journal.Finished], o.lost())
}

func TestTheBufferIsBoundedAndWhatIsDroppedIsCounted(t *testing.T) {
	t.Parallel()
	o := observe(t, 1<<30)
	for n := range 10000 {
		publish(o.Recorder("orders"), fmt.Sprint(n), o.now)
	}
	o.step(t, 0)
	require.Less(t, len(o.records), 9000)
	require.Equal(t, 10000, len(o.records)-1+o.lost())

	o.records = nil
	large := strings.Repeat("x", 1<<20)
	for range 20 {
		handle(o.Recorder("orders"), "1", journal.Attempt{Outcome: journal.Dead, Error: large})
	}
	o.step(t, 0)
	require.LessOrEqual(t, len(o.records), 9, "8 MiB, and the gap")
	require.Equal(t, 20, len(o.records)-1+o.lost())
}

func TestASinkThatIsAwayCostsRecordsAndNothingElse(t *testing.T) {
	t.Parallel()
	o := observe(t, 500)
	o.away = true
	for n := range 30 {
		publish(o.Recorder("orders"), fmt.Sprint(n), o.now)
		o.step(t, 10*time.Millisecond)
	}
	require.Equal(t, 30, o.received)
	o.away = false
	o.step(t, time.Second)
	require.Len(t, o.records, 1)
	require.Equal(t, 30, o.lost(), "the gap says how many are missing")
}

// The names that are left of all events. A new one belongs here if its values are neither
// secret nor personal, else into the list of redact.go.
var harmless = []string{
	"active", "amount", "at", "available", "channel", "consumer", "currency", "delivery_id", "kind", "locale", "name", "order_id",
	"payment_id", "projection", "quantity", "reason", "requested", "session_id", "session_ids", "sku", "until", "user_id", "version",
}

func TestNoEventKeepsWhatIsSecretOrPersonal(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../events/testdata/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	o := observe(t, 1<<30)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		o.Recorder("users").Published("", o.now, journal.Event{ID: file, Type: filepath.Base(file), Data: data})
	}
	o.step(t, 0)
	require.Len(t, o.records, len(files))
	for _, r := range o.records {
		var payload any
		require.NoError(t, json.Unmarshal(r.Event.Data, &payload))
		requireHarmless(t, r.Event.Type, "", payload)
		if strings.HasPrefix(r.Event.Type, "user.registered") {
			require.NotContains(t, string(r.Event.Data), "@")
			require.Contains(t, string(r.Event.Data), `"email":"[redacted]"`)
			require.Contains(t, string(r.Event.Data), `"name":"[redacted]"`)
		}
	}
}

// requireHarmless fails if a value is left whose name is not known as harmless.
func requireHarmless(t *testing.T, event, name string, value any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		for member, inner := range v {
			requireHarmless(t, event, member, inner)
		}
	case []any:
		for _, item := range v {
			requireHarmless(t, event, name, item)
		}
	case string:
		if v != "[redacted]" && v != "" {
			require.True(t, slices.Contains(harmless, name), "%s: the journal keeps %s=%q: see the comment of the list harmless", event, name, v)
		}
	}
}

func TestTextsAreRedactedToo(t *testing.T) {
	t.Parallel()
	o := observe(t, 500)
	r := o.Recorder("notifications")
	handle(r, "1", journal.Attempt{Outcome: journal.Dead, Error: "550 ada@example.com: no such user (pm_card_visa, amqp://me:secret@host/)"})
	r.Published("1", o.now, journal.Event{Data: json.RawMessage(`{"note":"ask ada@example.com","ip":"10.0.0.1","seen":"2001:db8::1","api_key":"k","items":[{"sku":"s","name":"Lantern"}]}`)})
	attributes := map[string]string{"client.address": "10.0.0.1", "http.route": "/orders"}
	r.Span("1", journal.Span{Error: "x", Attributes: attributes})
	o.step(t, 0)
	require.Equal(t, "550 [redacted]: no such user ([redacted], amqp://[redacted]host/)", o.records[0].Attempt.Error)
	require.JSONEq(t, `{"note":"ask [redacted]","ip":"[redacted]","seen":"[redacted]","api_key":"[redacted]","items":[{"sku":"s","name":"Lantern"}]}`, string(o.records[1].Event.Data))
	require.Equal(t, map[string]string{"client.address": "[redacted]", "http.route": "/orders"}, o.records[2].Span.Attributes)
	require.Equal(t, "10.0.0.1", attributes["client.address"], "other readers of the span have its attributes as they were")
}

func TestEachKindOfSecretIsFoundByItself(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"by ada@example.com":            "by [redacted]",
		"Bearer eyJhbGciOi.eyJzdWIi.s-": "Bearer [redacted]",
		"with pm_card":                  "with [redacted]", "tok_1": "[redacted]", "sk_live": "[redacted]", "whsec_a": "[redacted]",
		"amqp://me:secret@host/": "amqp://[redacted]host/",
		"order.created.v1":       "order.created.v1", "POST /orders/{id}": "POST /orders/{id}", "http.route": "http.route", "": "",
	} {
		require.Equal(t, want, journal.RedactText(text))
	}
}

func TestTheOrderOfAnEventIsFound(t *testing.T) {
	t.Parallel()
	require.Equal(t, "o1", journal.OrderOf("o1", []byte(`{"user_id":"u1","order_id":"o1"}`)))
	require.Empty(t, journal.OrderOf("u1", []byte(`{"user_id":"u1"}`)))
	require.Empty(t, journal.OrderOf("u1", []byte(`{"user_id":"u1","order_id":"o1"}`)))
	require.Empty(t, journal.OrderOf("", []byte(`{"order_id":""}`)))
	require.Empty(t, journal.OrderOf("o1", nil))
}

// An event costs one allocation, and one that is left out none.
func TestRecordingCostsNextToNothing(t *testing.T) {
	o := observe(t, 1<<30)
	r := o.Recorder("orders")
	e := journal.Event{ID: "e", Type: "order.created.v1", Data: json.RawMessage(`{"order_id":"1"}`)}
	for range 5000 { // the buffer grows once
		r.Published("1", o.now, e)
	}
	o.step(t, 0)
	o.step(t, 0)
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		if r.Keeps("1") {
			r.Published("1", o.now, e)
		}
	}), 1.0)

	full := observe(t, 1)
	left := full.Recorder("orders")
	for n := range 100000 {
		left.Keeps(fmt.Sprint(n))
	}
	require.False(t, left.Keeps("order"), "the share is as low as it gets")
	require.Zero(t, testing.AllocsPerRun(1000, func() { left.Keeps("order") }))
}

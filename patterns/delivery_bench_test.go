package patterns_test

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// orderCreated is as large as the event order.created of the shop.
type orderCreated struct {
	OrderID string      `json:"order_id"`
	UserID  string      `json:"user_id"`
	Lines   []orderLine `json:"lines"`
}

type orderLine struct {
	SKU      string `json:"sku"`
	Name     string `json:"name"`
	Quantity int    `json:"quantity"`
	Price    int    `json:"price"`
}

func (orderCreated) EventType() string       { return "order.created.v1" }
func (o orderCreated) CorrelationID() string { return o.OrderID }

func newOrder() orderCreated {
	return orderCreated{newID(), newID(), []orderLine{{"TSHIRT-M", "T-shirt M", 2, 1299}, {"MUG", "Mug", 1, 799}}}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func messages(b *testing.B, n int) (batch []bus.Message) {
	b.Helper()
	for range n {
		e, err := event.New(newID(), "orders", time.Now(), newOrder())
		require.NoError(b, err)
		body, err := event.Encode(e)
		require.NoError(b, err)
		batch = append(batch, bus.Message{ID: e.ID, Type: e.Type, Body: body})
	}
	return batch
}

// eachFile runs a benchmark on each kind of database, on disk.
func eachFile(b *testing.B, run func(b *testing.B, db sqldb.DB)) {
	for kind, url := range sqldbtest.URLs(b) {
		b.Run(kind, func(b *testing.B) {
			run(b, sqldbtest.Open(b, url, sqldb.Options{}, outbox.Migrations, inbox.Migrations, local.Migrations))
		})
	}
}

// perMessage reports the CPU time of this process per message.
func perMessage(b *testing.B, messages int, run func()) {
	b.Helper()
	before := cpu(b)
	start := time.Now()
	run()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(messages), "cpu-us/msg")
	b.ReportMetric(float64(messages)/time.Since(start).Seconds(), "msg/s")
	b.ReportMetric(0, "ns/op")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLocalBus publishes batches of 250 and consumes them at the same time.
func BenchmarkLocalBus(b *testing.B) {
	const batches, size = 40, 250
	for _, kind := range []string{"sqlite"} {
		b.Run(kind, func(b *testing.B) {
			for range b.N {
				db := sqldbtest.Open(b, sqldbtest.URLs(b)[kind], sqldb.Options{}, local.Migrations)
				lb := local.New(bus.Topology{"order.created.v1": {"consumer"}}, map[string]sqldb.DB{"consumer": db}, slog.New(slog.DiscardHandler))
				sent := messages(b, batches*size)
				perMessage(b, len(sent), func() { publishAndConsume(b, lb, sent, size) })
			}
		})
	}
}

func publishAndConsume(b *testing.B, lb *local.Bus, sent []bus.Message, size int) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	left := len(sent)
	go func() {
		done <- lb.Subscribe(ctx, "consumer", func(_ context.Context, batch []bus.Delivery) error {
			if left -= len(batch); left == 0 {
				cancel()
			}
			return nil
		})
	}()
	for len(sent) > 0 {
		for _, err := range lb.Publish(b.Context(), sent[:size]) {
			require.NoError(b, err)
		}
		sent = sent[size:]
	}
	require.NoError(b, <-done)
}

// acceptAll is a bus that accepts everything and delivers nothing.
type acceptAll struct{}

func (acceptAll) Publish(_ context.Context, batch []bus.Message) []error {
	return make([]error, len(batch))
}

// BenchmarkOutboxAdd adds 1 and 64 events per transaction.
func BenchmarkOutboxAdd(b *testing.B) {
	for _, size := range []int{1, 64} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			eachFile(b, func(b *testing.B, db sqldb.DB) {
				o := outbox.New(outbox.Config{Service: "orders", DB: db, Publisher: acceptAll{}, Now: time.Now, NewID: newID})
				perMessage(b, b.N*size, func() {
					for range b.N {
						add(b, db, o, size)
					}
				})
			})
		})
	}
}

func add(b *testing.B, db sqldb.DB, o *outbox.Outbox, n int) {
	payloads := make([]event.Payload, n)
	for i := range payloads {
		payloads[i] = newOrder()
	}
	require.NoError(b, db.Tx(b.Context(), func(ctx context.Context, tx sqldb.Tx) error { return o.Add(ctx, tx, payloads...) }))
}

// BenchmarkOutboxRelay publishes full batches to a bus that costs nothing.
func BenchmarkOutboxRelay(b *testing.B) {
	eachFile(b, func(b *testing.B, db sqldb.DB) {
		o := outbox.New(outbox.Config{Service: "orders", DB: db, Publisher: acceptAll{}, Now: time.Now, NewID: newID})
		for range b.N {
			for range 20 {
				add(b, db, o, 500)
			}
			perMessage(b, 20*500, func() {
				for range 20 {
					n, err := o.Step(b.Context())
					require.NoError(b, err)
					require.Equal(b, 500, n)
				}
			})
		}
	})
}

// BenchmarkInbox consumes batches with a handler that does nothing.
func BenchmarkInbox(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			eachFile(b, func(b *testing.B, db sqldb.DB) {
				in := inbox.New(inbox.Config{
					Service: "consumer", DB: db, Now: time.Now, Log: slog.New(slog.DiscardHandler),
					Handlers: []inbox.Handler{inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[orderCreated]) error { return nil })},
				})
				sent := messages(b, b.N*size)
				perMessage(b, len(sent), func() {
					for range b.N {
						var batch []bus.Delivery
						for _, m := range sent[:size] {
							batch = append(batch, bus.Delivery{Message: m})
						}
						require.NoError(b, in.Consume(b.Context(), batch))
						sent = sent[size:]
					}
				})
			})
		})
	}
}

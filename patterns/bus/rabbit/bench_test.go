package rabbit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
)

// The bus is measured beside the bare client library in the same run. Both publish or
// consume the same number of messages; ours/bare is the time of the bus divided by the
// time of the library.

const relayBatch = 500 // as many as the outbox relay publishes at once

func event600(n int) bus.Message {
	return bus.Message{ID: fmt.Sprintf("0199a2b4-%04x-7000-8000-%012x", n>>16, n), Type: "invoice.sent.v1", Body: make([]byte, 600)}
}

func BenchmarkPublish(b *testing.B) {
	url := rabbittest.URL(b)
	ours := open(b, url, topology)
	batch := make([]bus.Message, relayBatch)
	for i := range batch {
		batch[i] = event600(i)
	}
	require.NoError(b, ours.Publish(b.Context(), batch)[0]) // declares, connects
	var own, bare time.Duration
	withChannel(b, url, func(ch *amqp.Channel) {
		require.NoError(b, ch.Confirm(false))
		for b.Loop() {
			own += elapsed(func() {
				for _, err := range ours.Publish(b.Context(), batch) {
					require.NoError(b, err)
				}
			})
			bare += elapsed(func() { publishBare(b, ch, batch) })
		}
	})
	n := float64(b.N * relayBatch)
	b.ReportMetric(n/own.Seconds(), "msg/s")
	b.ReportMetric(n/bare.Seconds(), "bare-msg/s")
	b.ReportMetric(own.Seconds()/bare.Seconds(), "ours/bare")
}

// publishBare keeps 256 messages unconfirmed.
func publishBare(b *testing.B, ch *amqp.Channel, batch []bus.Message) {
	window := make(chan *amqp.DeferredConfirmation, 256)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c := range window {
			c.Wait()
		}
	}()
	for _, m := range batch {
		c, err := ch.PublishWithDeferredConfirm("troupe.events", m.Type+".billing", true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, MessageId: m.ID, Type: m.Type, Body: m.Body,
		})
		require.NoError(b, err)
		window <- c
	}
	close(window)
	<-done
}

func elapsed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func BenchmarkConsume(b *testing.B) {
	url := rabbittest.URL(b)
	ours := open(b, url, topology)
	const n = 20_000
	batch := make([]bus.Message, n)
	for i := range batch {
		batch[i] = event600(i)
	}
	fill := func() {
		for _, err := range ours.Publish(b.Context(), batch) {
			require.NoError(b, err)
		}
	}
	var own, bare time.Duration
	for b.Loop() {
		fill()
		own += elapsed(func() { consume(b, ours, n) })
		fill()
		withChannel(b, url, func(ch *amqp.Channel) {
			bare += elapsed(func() { consumeBare(b, ch, n) })
		})
	}
	all := float64(b.N * n)
	b.ReportMetric(all/own.Seconds(), "msg/s")
	b.ReportMetric(all/bare.Seconds(), "bare-msg/s")
	b.ReportMetric(own.Seconds()/bare.Seconds(), "ours/bare")
}

func consume(b *testing.B, from *rabbit.Bus, n int) {
	ctx, cancel := context.WithCancel(b.Context())
	require.NoError(b, from.Subscribe(ctx, "billing", func(_ context.Context, batch []bus.Delivery) error {
		if n -= len(batch); n == 0 {
			cancel()
		}
		return nil
	}))
}

func consumeBare(b *testing.B, ch *amqp.Channel, n int) {
	require.NoError(b, ch.Qos(512, 0, false))
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	require.NoError(b, err)
	for i := range n {
		d := <-deliveries
		if i%256 == 255 || i == n-1 {
			require.NoError(b, d.Ack(true))
		}
	}
}

// BenchmarkIdleLatency measures the time of a single message from Publish to its handler
// on an idle bus.
func BenchmarkIdleLatency(b *testing.B) {
	ours := open(b, rabbittest.URL(b), topology)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	received := make(chan struct{})
	go func() {
		_ = ours.Subscribe(ctx, "billing", func(context.Context, []bus.Delivery) error {
			received <- struct{}{}
			return nil
		})
	}()
	for b.Loop() {
		require.NoError(b, ours.Publish(b.Context(), []bus.Message{event600(0)})[0])
		<-received
	}
}

package rabbit

import (
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// arriving is a queue whose messages, numbered by their tags, come at these times.
func arriving(at ...time.Duration) <-chan amqp.Delivery {
	deliveries := make(chan amqp.Delivery)
	go func() {
		began := time.Now()
		for i, d := range at {
			time.Sleep(d - time.Since(began))
			deliveries <- amqp.Delivery{DeliveryTag: uint64(i + 1)}
		}
		close(deliveries)
	}()
	return deliveries
}

func TestABatchIsWhatComesSoonAfterItsFirstMessage(t *testing.T) {
	t.Parallel()
	never := time.Hour
	for name, c := range map[string]struct {
		at    []time.Duration
		takes int           // of the messages, the last tag acknowledges all
		after time.Duration // the first
	}{
		"one alone waits no longer than it has to": {[]time.Duration{0, never}, 1, gather},
		"those that come in time come along":       {[]time.Duration{0, gather / 4, gather / 2, gather * 2, never}, 3, gather},
		"latecomers do not prolong the wait":       {[]time.Duration{0, gather * 9 / 10, gather * 11 / 10, never}, 2, gather},
		"a full batch waits for nobody":            {make([]time.Duration, 2*takeBatch), takeBatch, 0},
		"what was there at the end is handled":     {[]time.Duration{0, gather / 4}, 2, gather / 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				deliveries := arriving(c.at...)
				first := <-deliveries
				began := time.Now()
				batch, last := collect(first, deliveries, 0)
				require.Len(t, batch, c.takes)
				require.EqualValues(t, c.takes, last)
				require.Equal(t, c.after, time.Since(began))
				for range deliveries { // or its sender waits for ever
				}
			})
		})
	}
}

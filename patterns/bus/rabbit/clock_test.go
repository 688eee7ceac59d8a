package rabbit

import (
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// arriving returns a queue whose messages, numbered by their tags, arrive at these times.
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

func TestABatchLingersBrieflyAfterItsFirstMessage(t *testing.T) {
	t.Parallel()
	never := time.Hour
	for name, c := range map[string]struct {
		at    []time.Duration
		takes int           // messages; the last tag acknowledges all of them
		after time.Duration // since the first message
	}{
		"a single message waits no longer than the linger": {[]time.Duration{0, never}, 1, linger},
		"messages that arrive in time join the batch":      {[]time.Duration{0, linger / 4, linger / 2, linger * 2, never}, 3, linger},
		"late messages do not prolong the wait":            {[]time.Duration{0, linger * 9 / 10, linger * 11 / 10, never}, 2, linger},
		"a full batch does not wait":                       {make([]time.Duration, 2*batchSize), batchSize, 0},
		"messages that arrived before the end are handled": {[]time.Duration{0, linger / 4}, 2, linger / 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				deliveries := arriving(c.at...)
				first := <-deliveries
				began := time.Now()
				batch, last := (&consumer{}).collectBatch(first, deliveries)
				require.Len(t, batch, c.takes)
				require.EqualValues(t, c.takes, last)
				require.Equal(t, c.after, time.Since(began))
				for range deliveries { // otherwise its sender would block forever
				}
			})
		})
	}
}

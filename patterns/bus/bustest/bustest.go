// Package bustest is the contract of a bus as a test suite, which every
// implementation passes.
package bustest

import (
	"testing"

	"go.uber.org/goleak"

	"troupe/patterns/bus"
)

// Topology is the topology of the bus under test.
var Topology = bus.Topology{
	"invoice.sent.v1": {"billing", "archive"},
	"receipt.sent.v1": {"billing"},
	"query.made.v1":   {"search"},
	"audit.done.v1":   {}, // has no consumers
}

// Bus is an implementation under test.
type Bus struct {
	bus.Publisher
	bus.Subscriber
	// Crash ends the process of the bus, as far as others can observe: nothing that
	// was in progress has an effect from now on. It returns the bus of the next
	// process, with the same queues.
	Crash func(t *testing.T) Bus
	// DeleteQueue deletes a service's queue, so that its messages are unroutable.
	DeleteQueue func(t *testing.T, service string)
}

// Run runs the suite. open returns a bus for Topology whose queues are empty, and
// registers its cleanup.
func Run(t *testing.T, open func(t *testing.T) Bus) {
	for name, test := range map[string]func(*testing.T, Bus){
		"every subscriber receives a copy":                      everySubscriberReceivesACopy,
		"a message arrives unchanged":                           aMessageArrivesUnchanged,
		"a message published twice keeps its id":                aMessagePublishedTwiceKeepsItsID,
		"messages wait for their consumer":                      messagesWaitForTheirConsumer,
		"an error redelivers the batch with a higher attempt":   anErrorRedeliversTheBatch,
		"nothing is delivered while the handler is not ready":   noDeliveryWhileTheHandlerIsNotReady,
		"a poison message does not block others":                aPoisonMessageDoesNotBlockOthers,
		"a crash before the acknowledgement loses nothing":      aCrashBeforeTheAckLosesNothing,
		"every crash counts as an attempt":                      everyCrashCountsAsAnAttempt,
		"a type without consumers is accepted":                  aTypeWithoutConsumersIsAccepted,
		"an unknown type is rejected":                           anUnknownTypeIsRejected,
		"a message without a queue is unroutable":               aMessageWithoutAQueueIsUnroutable,
		"a message is unroutable if one consumer has no queue":  aMissingQueueOfOneConsumerIsUnroutable,
		"a consumer that crashes within a batch gets all of it": aBatchIsAcknowledgedAsAWhole,
		"messages of a large batch fail individually":           messagesOfALargeBatchFailIndividually,
		"an empty batch is accepted":                            anEmptyBatchIsAccepted,
		"several consumers share a queue":                       severalConsumersShareAQueue,
		"cancellation lets the handler finish":                  cancellationLetsTheHandlerFinish,
		"cancellation stops an idle consumer at once":           cancellationStopsAnIdleConsumerAtOnce,
		"a service without a queue cannot subscribe":            aServiceWithoutAQueueCannotSubscribe,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Main is an implementation's TestMain. It fails if a goroutine is left running.
func Main(m *testing.M, o ...goleak.Option) { goleak.VerifyTestMain(m, o...) }

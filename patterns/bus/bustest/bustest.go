// Package bustest is the contract of a bus as a test suite, which every
// implementation passes.
package bustest

import (
	"testing"

	"go.uber.org/goleak"

	"troupe/patterns/bus"
)

// Topology is what the bus under test carries.
var Topology = bus.Topology{
	"letter.sent.v1":   {"house", "archive"},
	"parcel.sent.v1":   {"house"},
	"wish.made.v1":     {"fairy"},
	"rumour.spread.v1": {}, // heard by nobody
}

// Bus is an implementation under test.
type Bus struct {
	bus.Publisher
	bus.Subscriber
	// Crash ends the process that the bus lives in, as far as the world can see:
	// whatever it was doing has no effect from now on. The bus of the next
	// process, with the same queues, is returned.
	Crash func(t *testing.T) Bus
	// Lose takes a service's queue away, so that nothing takes what it should hear.
	Lose func(t *testing.T, service string)
}

// Run runs the suite; open gives a bus for Topology whose queues are empty, and
// cleans up after itself.
func Run(t *testing.T, open func(t *testing.T) Bus) {
	for name, test := range map[string]func(*testing.T, Bus){
		"each subscriber hears it and nobody else":            eachSubscriberHearsItAndNobodyElse,
		"a message arrives as it was sent":                    aMessageArrivesAsItWasSent,
		"one sent twice has the same id":                      oneSentTwiceHasTheSameID,
		"what is said before anybody listens is kept":         whatIsSaidBeforeAnybodyListensIsKept,
		"an error gives the batch back with a higher attempt": anErrorGivesTheBatchBack,
		"after an error nothing is handed out in vain":        afterAnErrorNothingIsHandedOutInVain,
		"a poisonous message does not stop its neighbours":    aPoisonousMessageDoesNotStopItsNeighbours,
		"a crash before the acknowledgement loses nothing":    aCrashBeforeTheAcknowledgementLosesNothing,
		"a crash loop is counted":                             aCrashLoopIsCounted,
		"what nobody hears is taken":                          whatNobodyHearsIsTaken,
		"an unknown type is refused":                          anUnknownTypeIsRefused,
		"what no queue takes is unroutable":                   whatNoQueueTakesIsUnroutable,
		"what one of its hearers would miss is unroutable":    whatOneOfItsHearersWouldMissIsUnroutable,
		"thousands in one call fail one by one":               thousandsInOneCallFailOneByOne,
		"an empty batch is fine":                              anEmptyBatchIsFine,
		"several consumers share a queue":                     severalConsumersShareAQueue,
		"the end lets the handler finish":                     theEndLetsTheHandlerFinish,
		"the end comes at once for an idle consumer":          theEndComesAtOnceForAnIdleConsumer,
		"a service without a queue can not subscribe":         aServiceWithoutAQueueCanNotSubscribe,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Main is an implementation's TestMain: it fails if a goroutine is left behind.
func Main(m *testing.M, o ...goleak.Option) { goleak.VerifyTestMain(m, o...) }

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
)

// An operator checks a new broker, has the queues made, and finds nothing to do.
func TestTheOperatorChecksAndMovesQueues(t *testing.T) {
	t.Parallel()
	flags := brokerFlags{AMQP: rabbittest.URL(t)}
	require.ErrorContains(t, checkQueues{brokerFlags: flags}.Run(t.Context()), "the broker is not as the services need it")
	require.NoError(t, moveQueues{flags}.Run(t.Context()))
	require.NoError(t, checkQueues{brokerFlags: flags}.Run(t.Context()))
	require.ErrorContains(t, moveQueues{brokerFlags{AMQP: "http://guest:secret@localhost"}}.Run(t.Context()), "AMQP_URL is not of the form")
}

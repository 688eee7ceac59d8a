package servicetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
)

// Journaled delivers records of the journals to the service, as an app does.
func (h *Harness) Journaled(t *testing.T, records ...journal.Record) {
	t.Helper()
	require.NotNil(t, h.instance.Components.Journaled, "the service receives no records")
	require.NoError(t, h.instance.Components.Journaled(t.Context(), records))
}

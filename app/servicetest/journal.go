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

// Recorded has what the service does from now on recorded for the console. The returned
// function returns all records so far.
func (h *Harness) Recorded(t *testing.T) func() []journal.Record {
	t.Helper()
	var all []journal.Record
	h.journal.SendTo(func(records []journal.Record) error {
		all = append(all, records...)
		return nil
	})
	return func() []journal.Record {
		t.Helper()
		_, err := h.journal.Step(t.Context())
		require.NoError(t, err)
		return all
	}
}

package timestamp_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/timestamp"
)

func TestATimeAlwaysHasSixDigits(t *testing.T) {
	t.Parallel()
	cet := time.FixedZone("CET", 3600)
	for want, at := range map[string]time.Time{
		"2026-01-02T03:04:05.000000Z": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"2026-01-02T03:04:05.120000Z": time.Date(2026, 1, 2, 3, 4, 5, 120_000_000, time.UTC),
		"2026-01-02T03:04:05.000001Z": time.Date(2026, 1, 2, 3, 4, 5, 1999, time.UTC),
		"2026-01-02T02:04:05.500000Z": time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, cet),
	} {
		text, err := json.Marshal(timestamp.Of(at))
		require.NoError(t, err)
		require.Equal(t, `"`+want+`"`, string(text))
		require.Equal(t, want, timestamp.Of(at).String())
		key, err := json.Marshal(map[timestamp.Time]int{timestamp.Of(at): 1})
		require.NoError(t, err)
		require.JSONEq(t, `{"`+want+`":1}`, string(key))
	}
	_, err := json.Marshal(timestamp.Of(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.ErrorContains(t, err, "four digits")
}

// Rows, events and idempotency keys of earlier versions have fewer digits.
func TestAnyTimeOfRFC3339IsRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z", "2026-01-02T04:04:05.000000+01:00"} {
		var at timestamp.Time
		require.NoError(t, json.Unmarshal([]byte(`"`+text+`"`), &at))
		require.Equal(t, "2026-01-02T03:04:05.000000Z", at.String())
	}
}

func TestAnAbsentTimeIsLeftOut(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(struct {
		At timestamp.Time `json:"at,omitzero"`
	}{})
	require.NoError(t, err)
	require.Equal(t, "{}", string(text))
}

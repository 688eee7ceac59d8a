package timestamp_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/platform/timestamp"
)

func TestIDsOfAnEarlierTimeComeBeforeTheFirstID(t *testing.T) {
	t.Parallel()
	before := time.Now().Add(-time.Millisecond)
	id := uuid.Must(uuid.NewV7()).String()
	after := time.Now().Add(time.Millisecond)
	require.Less(t, timestamp.FirstID(before), id)
	require.Greater(t, timestamp.FirstID(after), id)
	require.Equal(t, "00000000-0000", timestamp.FirstID(time.Unix(-1, 0)))
}

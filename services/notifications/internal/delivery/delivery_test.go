package delivery_test

import (
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/services/notifications/internal/delivery"
)

func TestThePhaseAndTheReplyDecideTheState(t *testing.T) {
	t.Parallel()
	reply := func(code int) error {
		return fmt.Errorf("submit: %w", &textproto.Error{Code: code, Msg: "no such user"})
	}
	for _, c := range []struct {
		phase delivery.Phase
		err   error
		want  delivery.State
	}{
		{delivery.Dot, nil, delivery.Sent},
		{delivery.Connect, io.EOF, delivery.Deferred},
		{delivery.Connect, reply(421), delivery.Deferred},
		{delivery.Connect, reply(554), delivery.Deferred},
		{delivery.Connect, reply(535), delivery.Deferred},
		{delivery.Mail, reply(451), delivery.Deferred},
		{delivery.Mail, reply(550), delivery.Deferred},
		{delivery.Mail, reply(530), delivery.Deferred},
		{delivery.Rcpt, reply(450), delivery.Deferred},
		{delivery.Rcpt, reply(550), delivery.Rejected},
		{delivery.Rcpt, io.EOF, delivery.Deferred},
		{delivery.Body, reply(354), delivery.Deferred},
		{delivery.Body, io.ErrClosedPipe, delivery.Deferred},
		{delivery.Dot, reply(452), delivery.Deferred},
		{delivery.Rcpt, reply(554), delivery.Deferred},
		{delivery.Body, reply(550), delivery.Deferred},
		{delivery.Dot, reply(550), delivery.Deferred},
		{delivery.Dot, reply(251), delivery.Unknown},
		{delivery.Dot, io.EOF, delivery.Unknown},
		{delivery.Dot, errors.New("i/o timeout"), delivery.Unknown},
	} {
		t.Run(fmt.Sprintf("%s: %v", c.phase, c.err), func(t *testing.T) {
			t.Parallel()
			got := delivery.Ended(c.phase, c.err)
			require.Equal(t, c.want, got.State)
			require.Equal(t, c.phase, got.Phase)
		})
	}
	require.Equal(t, "550 no such user", delivery.Ended(delivery.Rcpt, reply(550)).Reply)
}

func TestAMailIsRetriedForADay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		now, expires := start, start.Add(delivery.MaxAge)
		state := rapid.SampledFrom([]delivery.State{delivery.Deferred, delivery.Unknown}).Draw(t, "state")
		id := rapid.String().Draw(t, "id")
		for n := 1; ; n++ {
			next, at := delivery.Next(id, n, state, now, expires)
			if next == delivery.Expired {
				require.True(t, at.IsZero())
				require.Greater(t, n, 20, "expired too early")
				require.WithinDuration(t, expires, now, time.Hour+time.Second)
				return
			}
			require.Equal(t, state, next)
			require.True(t, at.After(now))
			require.LessOrEqual(t, at.Sub(now), time.Hour+time.Second)
			now = at
		}
	})
}

func TestAFinalStateDoesNotChange(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, s := range []delivery.State{delivery.Sent, delivery.Rejected, delivery.Expired, delivery.Suppressed, delivery.Superseded} {
		next, at := delivery.Next("d", 1, s, now, now.Add(-time.Hour))
		require.Equal(t, s, next)
		require.True(t, at.IsZero())
	}
}

func TestTheBackoffGrowsAndIsSpread(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for i := range 100 {
		d := delivery.Backoff(fmt.Sprint("mail ", i), 1)
		require.Less(t, d, 32*time.Second)
		seen[d] = true
	}
	require.Greater(t, len(seen), 95)
	var longest time.Duration
	for i := range 100 {
		longest = max(longest, delivery.Backoff(fmt.Sprint("mail ", i), 50))
	}
	require.Greater(t, longest, 50*time.Minute)
	require.Equal(t, delivery.Backoff("a", 3), delivery.Backoff("a", 3))
}

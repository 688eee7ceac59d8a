package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const id = "01890a5d-ac96-774b-bcce-b302099a8057"

func TestDecide(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := Session{ID: id, Counter: 7, CreatedAt: begun, RotatedAt: begun}
	ended := s
	ended.Ended = true
	refreshed := s
	refreshed.RotatedAt = begun.Add(20 * 24 * time.Hour)
	for name, c := range map[string]struct {
		s       Session
		counter int64
		after   time.Duration
		want    Decision
	}{
		"the present token":                  {s, 7, time.Hour, Rotate},
		"the present token, just in time":    {s, 7, IdleLimit - 1, Rotate},
		"the present token, too late":        {s, 7, IdleLimit, Refuse},
		"the one before, at once":            {s, 6, 0, Repeat},
		"the one before, just in time":       {s, 6, RetryWindow - 1, Repeat},
		"the one before, too late":           {s, 6, RetryWindow, Reuse},
		"the one before that":                {s, 5, 0, Reuse},
		"the first of all":                   {s, 0, 0, Reuse},
		"one that was never issued":          {s, 8, 0, Refuse},
		"a negative one":                     {s, -1, 0, Reuse},
		"the present token, session ended":   {ended, 7, 0, Refuse},
		"an old token, session ended":        {ended, 3, 0, Refuse},
		"an old token, session expired":      {s, 3, IdleLimit, Refuse},
		"refreshed often, almost at the end": {refreshed, 7, AbsoluteLimit - 1, Rotate},
		"refreshed often, at the end":        {refreshed, 7, AbsoluteLimit, Refuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.s.Decide(c.counter, begun.Add(c.after)))
		})
	}
}

func TestTokensReadWhatTheyWrite(t *testing.T) {
	t.Parallel()
	tokens := NewTokens([]byte("a key"))
	written, err := tokens.Write(id, 42)
	require.NoError(t, err)
	again, err := tokens.Write(id, 42)
	require.NoError(t, err)
	require.Equal(t, written, again, "a retry gets the same token")

	gotID, counter, err := tokens.Read(written)
	require.NoError(t, err)
	require.Equal(t, id, gotID)
	require.EqualValues(t, 42, counter)

	_, _, err = NewTokens([]byte("another key")).Read(written)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = tokens.Write("no uuid", 1)
	require.Error(t, err)
}

func FuzzRead(f *testing.F) {
	tokens := NewTokens([]byte("a key"))
	good, err := tokens.Write(id, 42)
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(tokenPrefix)
	f.Fuzz(func(t *testing.T, token string) {
		gotID, counter, err := tokens.Read(token)
		if err != nil {
			return
		}
		written, err := tokens.Write(gotID, counter)
		require.NoError(t, err)
		require.Equal(t, token, written, "a token has one spelling")
		require.Equal(t, good, token, "only one token was written")
	})
}

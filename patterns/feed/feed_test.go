package feed_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/feed"
	"troupe/platform/fault"
)

// positions are those in the database.
type positions struct {
	mu     sync.Mutex
	values map[string]int64
	asked  []string
	err    error
}

func (p *positions) read(_ context.Context, topics []string) (map[string]int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = topics
	return maps.Clone(p.values), p.err
}

func newFeed(p *positions) *feed.Feed {
	return feed.New(feed.Config{Positions: p.read, Most: 3, PerUser: 2})
}

func open(t *testing.T, f *feed.Feed, user string) *feed.Reader {
	t.Helper()
	r, err := f.Open(user, user)
	require.NoError(t, err)
	return r
}

// woken reports whether the reader has a reason to read.
func woken(t *testing.T, r *feed.Reader) bool {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := r.Wait(ended)
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	return err == nil
}

func TestAChangeWakesTheReadersOfItsTopicAlone(t *testing.T) {
	t.Parallel()
	f := newFeed(&positions{})
	ada, phone, eve := open(t, f, "ada"), open(t, f, "ada"), open(t, f, "eve")
	f.Changed("ada")
	f.Changed("ada") // before any of them has read: one notification is enough
	require.True(t, woken(t, ada))
	require.True(t, woken(t, phone))
	require.False(t, woken(t, ada))
	require.False(t, woken(t, eve))
}

func TestAChangeByAnotherReplicaIsFound(t *testing.T) {
	t.Parallel()
	p := &positions{values: map[string]int64{"ada": 7, "eve": 1}}
	f := newFeed(p)
	ada, eve := open(t, f, "ada"), open(t, f, "eve")
	_, err := f.Step(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"ada", "eve"}, p.asked)
	require.True(t, woken(t, ada), "it may have read before the position grew")
	require.True(t, woken(t, eve))

	p.values["ada"] = 8
	_, err = f.Step(t.Context())
	require.NoError(t, err)
	require.True(t, woken(t, ada))
	require.False(t, woken(t, eve))
}

func TestWithoutReadersNothingIsRead(t *testing.T) {
	t.Parallel()
	p := &positions{err: errors.New("the database does not answer")}
	f := newFeed(p)
	open(t, f, "ada").Close()
	did, err := f.Step(t.Context())
	require.NoError(t, err)
	require.Zero(t, did)
	require.Empty(t, p.asked)

	open(t, f, "ada")
	_, err = f.Step(t.Context())
	require.ErrorContains(t, err, "does not answer")
}

func TestAUserHasOnlySoManyReaders(t *testing.T) {
	t.Parallel()
	f := newFeed(&positions{})
	first := open(t, f, "ada")
	open(t, f, "ada")
	_, err := f.Open("ada", "ada")
	require.Equal(t, "too_many_streams", fault.CodeOf(err))
	require.True(t, fault.Is(err, fault.TooManyRequests))
	open(t, f, "eve") // others are not affected
	_, err = f.Open("bob", "bob")
	require.True(t, fault.Is(err, fault.Unavailable), "the replica is full")

	first.Close()
	first.Close() // counts once
	open(t, f, "ada")
	_, err = f.Open("ada", "ada")
	require.Error(t, err)
	require.Equal(t, 3, f.Readers())
}

func TestAStopEndsAllReaders(t *testing.T) {
	t.Parallel()
	f := newFeed(&positions{})
	ada := open(t, f, "ada")
	f.Stop()
	require.ErrorIs(t, ada.Wait(t.Context()), feed.ErrStopped)
	require.ErrorIs(t, ada.Wait(t.Context()), feed.ErrStopped, "and goes on doing so")
	_, err := f.Open("eve", "eve")
	require.True(t, fault.Is(err, fault.Unavailable))
}

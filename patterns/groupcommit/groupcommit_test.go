package groupcommit_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/groupcommit"
)

const (
	waitLimit = time.Minute
	pollEvery = time.Millisecond
)

// shop places orders in groups. Its first transaction waits until the others have arrived.
type shop struct {
	group   *groupcommit.Group[int]
	began   chan struct{} // closed when the first transaction has begun
	proceed chan struct{}

	mu      sync.Mutex
	batches [][]int
}

func newShop(most, leaders int) *shop {
	return &shop{group: groupcommit.New[int](most, leaders), began: make(chan struct{}), proceed: make(chan struct{})}
}

func (s *shop) run(batch []int) {
	if batch[0] == 0 {
		close(s.began)
		<-s.proceed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, slices.Clone(batch))
}

func TestWhoeverComesWhileATransactionRunsSharesTheNext(t *testing.T) {
	t.Parallel()
	s := newShop(4, 1)
	var wait sync.WaitGroup
	wait.Go(func() { s.group.Do(0, s.run) })
	<-s.began
	for n := range 9 {
		wait.Go(func() { s.group.Do(n+1, s.run) })
	}
	require.Eventually(t, func() bool { return s.group.Waiting() == 9 }, waitLimit, pollEvery)
	close(s.proceed)
	wait.Wait()

	var sizes, all []int
	for _, b := range s.batches {
		sizes, all = append(sizes, len(b)), append(all, b...)
	}
	require.Equal(t, []int{1, 4, 4, 1}, sizes)
	slices.Sort(all)
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, all, "each was placed once")
}

func TestOneAloneWaitsForNobody(t *testing.T) {
	t.Parallel()
	s := newShop(4, 1)
	for n := range 3 {
		s.group.Do(n+1, s.run)
	}
	require.Equal(t, [][]int{{1}, {2}, {3}}, s.batches)
}

func TestATransactionThatHangsHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	s := newShop(4, 2)
	var wait sync.WaitGroup
	wait.Go(func() { s.group.Do(0, s.run) })
	<-s.began
	for n := range 3 {
		s.group.Do(n+1, s.run)
	}
	close(s.proceed)
	wait.Wait()
	require.Equal(t, [][]int{{1}, {2}, {3}, {0}}, s.batches)
}

func TestAPanicReleasesThoseWhoWait(t *testing.T) {
	t.Parallel()
	s := newShop(4, 1)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer func() { recover() }()
		s.group.Do(0, func(batch []int) {
			s.run(batch)
			panic("the process is about to crash")
		})
	})
	<-s.began
	wait.Go(func() { s.group.Do(1, s.run) })
	require.Eventually(t, func() bool { return s.group.Waiting() == 1 }, waitLimit, pollEvery)
	close(s.proceed)
	wait.Wait()
	require.Equal(t, [][]int{{0}, {1}}, s.batches)
}

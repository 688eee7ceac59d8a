package users_test

import "sync"

// together calls f n times at once.
func together[T any](n int, f func(i int) T) []T {
	results := make([]T, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			results[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return results
}

func count[T comparable](values []T) map[T]int {
	counts := map[T]int{}
	for _, v := range values {
		counts[v]++
	}
	return counts
}

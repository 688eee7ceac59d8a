package users_test

import "sync"

// concurrently calls f n times at the same time and returns the results.
func concurrently[T any](n int, f func(i int) T) []T {
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

// count returns how often each value occurs.
func count[T comparable](values []T) map[T]int {
	counts := map[T]int{}
	for _, v := range values {
		counts[v]++
	}
	return counts
}

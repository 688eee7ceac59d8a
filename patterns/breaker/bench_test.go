package breaker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/breaker"
)

func BenchmarkClosed(b *testing.B) {
	br := breaker.New(breaker.Config{})
	b.ReportAllocs()
	for b.Loop() {
		p, _ := br.Allow()
		br.Done(p, breaker.Success)
	}
}

func BenchmarkClosedParallel(b *testing.B) {
	br := breaker.New(breaker.Config{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p, _ := br.Allow()
			br.Done(p, breaker.Success)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	br := breaker.New(breaker.Config{})
	br.Force(breaker.Open, "maintenance")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = br.Allow()
	}
}

func TestASuccessfulCallAllocatesNothing(t *testing.T) {
	br := breaker.New(breaker.Config{})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p, _ := br.Allow()
		br.Done(p, breaker.Success)
	}))
}

package config

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Paths that http.ServeMux refuses beside each other are not taken for disjoint.
func TestPathsThatConflictAreNotDisjoint(t *testing.T) {
	t.Parallel()
	paths := rapid.Custom(func(t *rapid.T) string {
		path := ""
		for i := range rapid.IntRange(1, 3).Draw(t, "segments") {
			path += "/" + rapid.SampledFrom([]string{"a", "b", fmt.Sprintf("{x%d}", i)}).Draw(t, "segment")
		}
		return path + rapid.SampledFrom([]string{"", "/", "/{rest...}"}).Draw(t, "end")
	})
	seen := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		a, b := paths.Draw(t, "a"), paths.Draw(t, "b")
		refused := muxRefuses(a, b)
		seen[refused]++
		if refused && disjoint(a, b) {
			t.Fatalf("%s and %s", a, b)
		}
	})
	require.Positive(t, seen[true])
	require.Positive(t, seen[false])
}

func muxRefuses(a, b string) (refused bool) {
	defer func() { refused = recover() != nil }()
	mux := http.NewServeMux()
	mux.Handle(muxPattern(a), http.NotFoundHandler())
	mux.Handle(muxPattern(b), http.NotFoundHandler())
	return false
}

package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/patterns/journal"
	"troupe/platform/auth"
)

// The console shows how many requests each service answers.
func TestTheJournalGetsTheNumberOfRequests(t *testing.T) {
	servicetest.Run(t, careless, func(t *testing.T, h *servicetest.Harness) {
		recorded := h.Recorded(t)
		root := h.As("root", auth.Admin)
		root.Get(t, "/secrets").Want(t, 204)
		root.Post(t, "/busy", nil).Problem(t, 409, "busy")
		h.Anonymous().Get(t, "/secrets").Problem(t, 401, "token_missing")
		h.Anonymous().Get(t, "/livez").Want(t, 200)
		require.Eventually(t, func() bool { // a request is counted after its answer was sent
			n := 0
			for _, r := range recorded() {
				require.Equal(t, []string{string(journal.Served), "careless"}, []string{string(r.Kind), r.Service})
				n += r.Weight()
			}
			require.LessOrEqual(t, n, 3, "a probe is no request")
			return n == 3
		}, 10*time.Second, time.Millisecond)
	})
}

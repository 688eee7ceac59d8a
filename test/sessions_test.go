package test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// The users service publishes the next version of session.revoked once no replica is left that
// cannot read it. Every service knows of the sign-out as before.
func TestASignOutReachesEveryServiceInTheNextVersionOfItsEvent(t *testing.T) {
	eachShapeWith(t, []string{"USERS_SESSION_REVOKED_VERSION=2"}, func(t *testing.T, s *system) {
		ada := s.newCustomer(t)
		paths := map[string]string{"orders": "/orders", "payments": "/payments", "notifications": "/notifications"}
		for service, path := range paths {
			require.NoError(t, ada.WithBase(s.URL(service)).Get(t.Context(), path, nil), service)
		}
		require.NoError(t, ada.Post(t.Context(), "/logout", nil, nil))
		for service, path := range paths {
			require.Eventually(t, func() bool {
				err := ada.WithBase(s.URL(service)).Get(t.Context(), path, nil)
				problem, refused := errors.AsType[*client.Problem](err)
				return refused && problem.Code == "session_revoked"
			}, timeout, pollInterval, service)
		}
	})
}

package services

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/events"
)

// users issues the access tokens and revokes its own sessions. Every other service that
// verifies tokens with its own database has to learn which sessions have ended.
func TestEveryServiceWithADatabaseConsumesRevokedSessions(t *testing.T) {
	t.Parallel()
	for _, s := range All {
		if s.Migrations != nil && s.Name != "users" {
			require.Contains(t, s.Consumes(), events.SessionRevoked{}.EventType(), s.Name)
		}
	}
}

func TestEveryServiceHasAPortOfItsOwn(t *testing.T) {
	t.Parallel()
	ports := map[int]string{}
	for _, s := range All {
		require.Empty(t, ports[s.Port], "the port of %s", s.Name)
		require.Positive(t, s.Port, s.Name)
		ports[s.Port] = s.Name
	}
}

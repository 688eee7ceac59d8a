package services

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/platform/sqldb/sqldbtest"
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

// silentBus accepts every message.
type silentBus struct{}

func (silentBus) Publish(_ context.Context, messages []bus.Message) []error {
	return make([]error, len(messages))
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// operationsOf returns the operations of a service by "METHOD /path/{}".
func operationsOf(t *testing.T, s app.Service) map[string]bool {
	t.Helper()
	instance, err := app.NewInstance(s, app.Dependencies{
		Environ: map[string]string{"USERS_PASSWORD_HASH_COST": "insecure"}, Version: "test",
		DB: sqldbtest.SQLite(t, app.Migrations(s)...), Publisher: silentBus{}, Peers: map[string]string{},
		Transport: http.DefaultTransport, Now: time.Now, NewID: uuid.NewString, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	text, err := instance.API.OpenAPI()
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(text, &document))
	operations := map[string]bool{}
	for path, methods := range document.Paths {
		for method := range methods {
			operations[strings.ToUpper(method)+" "+parameter.ReplaceAllString(path, "{}")] = true
		}
	}
	return operations
}

func TestEveryRouteOfTheGatewayIsAnOperationOfItsService(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("gateway/api.go")
	require.NoError(t, err)
	routes := regexp.MustCompile(`\{"([A-Z]+ /[^"]*)", "(\w+)", `).FindAllSubmatch(source, -1)
	require.Greater(t, len(routes), 20)
	operations := map[string]map[string]bool{}
	for _, s := range All {
		if s.Migrations != nil {
			operations[s.Name] = operationsOf(t, s)
		}
	}
	for _, r := range routes {
		route, service := string(r[1]), string(r[2])
		require.True(t, operations[service][parameter.ReplaceAllString(route, "{}")],
			"services/gateway/api.go routes %s to %s, which has no such operation: add it there, or remove the route", route, service)
	}
}

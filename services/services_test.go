package services

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/gateway"
)

// users issues the access tokens and revokes its own sessions. Every other service that
// verifies tokens with its own database has to learn which sessions have ended.
// The console consumes no events, because nothing may wait for it.
func TestEveryServiceWithADatabaseConsumesRevokedSessions(t *testing.T) {
	t.Parallel()
	for _, s := range All {
		if s.Migrations != nil && s.Name != "users" && s.Topology != nil {
			require.Contains(t, s.Consumes(), events.SessionRevoked{}.EventType(), s.Name)
			require.Contains(t, s.Consumes(), events.SessionsRevoked{}.EventType(), s.Name)
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

// peers returns an address for each service. None of them is called.
func peers() map[string]string {
	urls := map[string]string{}
	for _, s := range All {
		urls[s.Name] = "http://127.0.0.1:1"
	}
	return urls
}

// documentOf returns the OpenAPI document of a service.
func documentOf(t *testing.T, s app.Service) []byte {
	t.Helper()
	var db sqldb.DB
	if s.Migrations != nil {
		db = sqldbtest.SQLite(t, app.Migrations(s)...)
	}
	instance, err := app.NewInstance(s, app.Dependencies{
		Environ: map[string]string{"USERS_PASSWORD_HASH_COST": "insecure"}, Version: "test",
		DB: db, Publisher: silentBus{}, Peers: peers(),
		Transport: http.DefaultTransport, Now: time.Now, NewID: uuid.NewString, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	text, err := instance.API.OpenAPI()
	require.NoError(t, err)
	return text
}

var update = flag.Bool("update", false, "write the documents that are built into the gateway")

// The gateway has the documents of the services built in, for when one does not answer.
func TestTheDocumentsBuiltIntoTheGatewayAreCurrent(t *testing.T) {
	t.Parallel()
	for _, s := range All {
		if s.Name == "gateway" || s.Name == "console" { // the console's API is for its own pages
			continue
		}
		var fresh bytes.Buffer
		require.NoError(t, json.Indent(&fresh, documentOf(t, s), "", " "))
		fresh.WriteByte('\n')
		file := "gateway/internal/openapi/documents/" + s.Name + ".json"
		if *update {
			require.NoError(t, os.WriteFile(file, fresh.Bytes(), 0o600))
			continue
		}
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, bytes.Equal(kept, fresh.Bytes()), "%s is stale: run 'make generate' and commit it", file)
	}
}

// operationsOf returns the operations of a service by "METHOD /path/{}".
func operationsOf(t *testing.T, s app.Service) map[string]bool {
	t.Helper()
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(documentOf(t, s), &document))
	operations := map[string]bool{}
	for path, methods := range document.Paths {
		for method := range methods {
			operations[strings.ToUpper(method)+" "+parameter.ReplaceAllString(path, "{}")] = true
		}
	}
	return operations
}

// pages are routes to plain handlers, which are not in the OpenAPI documents: pages for
// browsers, and what a mail server calls.
var pages = []string{
	"GET /push", "GET /push/page.js", "GET /push/page.css", "GET /push/worker.js",
	"GET /unsubscribe", "POST /unsubscribe", "POST /mail/returned",
	"GET /console/{rest...}", "POST /console/{rest...}", "DELETE /console/{rest...}", "POST /console/api/login/{rest...}", "GET /console/api/stream/{rest...}",
}

func TestEveryRouteOfTheGatewayIsAnOperationOfItsService(t *testing.T) {
	t.Parallel()
	var file struct {
		Routes []struct {
			Path, Upstream string
			Methods        []string
		}
	}
	require.NoError(t, yaml.Unmarshal(gateway.Service.ConfigFile.Default, &file))
	require.Greater(t, len(file.Routes), 20)
	operations := map[string]map[string]bool{}
	for _, s := range All {
		operations[s.Name] = operationsOf(t, s)
	}
	for _, r := range file.Routes {
		require.NotEmpty(t, r.Methods, r.Path)
		r.Upstream = cmp.Or(r.Upstream, "gateway") // which composes the response itself
		for _, method := range r.Methods {
			route := method + " " + r.Path
			require.True(t, slices.Contains(pages, route) || operations[r.Upstream][parameter.ReplaceAllString(route, "{}")],
				"default.yaml of the gateway routes %s to %s, which has no such operation: add it there, or remove the route", route, r.Upstream)
		}
	}
}

// schemaOf is the part of a JSON schema that the round trip depends on.
type schemaOf struct {
	Ref        string `json:"$ref"`
	ReadOnly   bool   `json:"readOnly"`
	Properties map[string]schemaOf
}

// roundTrip is the part of an API document that the round trip depends on.
type roundTrip struct {
	Paths map[string]map[string]*struct {
		Parameters  []struct{ Name, In string }
		RequestBody struct {
			Content map[string]struct{ Schema schemaOf }
		}
		Responses map[string]struct {
			Headers map[string]any
			Content map[string]struct{ Schema schemaOf }
		}
	}
	Components struct{ Schemas map[string]schemaOf }
}

// resolve returns the schema that s refers to.
func (d roundTrip) resolve(s schemaOf) schemaOf {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// commands are operations whose PUT is no replacement of what GET shows, with the reason.
var commands = map[string]string{
	"gateway PUT /admin/breakers/{upstream}": "it forces a state, which the counts of GET describe",
}

// A client reads a resource, changes a member and sends all of it back; and it can make
// sure that it has not changed meanwhile.
func TestWhatGETShowsEveryPUTAndPATCHTakes(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, s := range All {
		var d roundTrip
		require.NoError(t, json.Unmarshal(documentOf(t, s), &d))
		for path, operations := range d.Paths {
			get, readable := operations["get"]
			for _, method := range []string{"put", "patch", "delete"} {
				change, exists := operations[method]
				name := s.Name + " " + strings.ToUpper(method) + " " + path
				editable := operations["put"] != nil || operations["patch"] != nil
				if !exists || !readable || !editable || commands[name] != "" {
					continue
				}
				checked++
				require.Contains(t, get.Responses["200"].Headers, "ETag", "GET of %s: embed httpapi.ConditionalGet, and return an ETag", name)
				require.Contains(t, get.Responses, "304", name)
				require.Contains(t, change.Responses, "412", "%s: embed httpapi.Conditional, and call its Check", name)
				if method == "delete" {
					continue
				}
				shown := d.resolve(get.Responses["200"].Content["application/json"].Schema)
				taken := d.resolve(change.RequestBody.Content["application/json"].Schema)
				require.NotEmpty(t, shown.Properties, name)
				for member, property := range shown.Properties {
					require.Contains(t, taken.Properties, member, "%s must take all that GET shows: add it with readOnly:\"true\", and call httpapi.CheckReadOnly", name)
					require.Equal(t, property.ReadOnly, taken.Properties[member].ReadOnly, "%s: %s", name, member)
				}
			}
		}
	}
	require.GreaterOrEqual(t, checked, 4)
}

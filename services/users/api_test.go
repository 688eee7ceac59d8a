package users_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
)

// TestTheAPIDocumentHasEveryOperation compares the document with a table of what
// clients rely on.
func TestTheAPIDocumentHasEveryOperation(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Anonymous().Get(t, "/health").Want(t, 200, "status", "ok", "service", "users")
		var document struct {
			Paths map[string]map[string]struct {
				Responses   map[string]any
				RequestBody struct{ Content map[string]any }
				Security    []map[string]any
			}
		}
		h.Anonymous().Get(t, "/openapi.json").Want(t, 200).JSON(t, &document)
		for _, expected := range []struct {
			method, path, status, body string
			public                     bool
		}{
			{"post", "/users", "201", "application/json", true},
			{"post", "/token", "200", "application/x-www-form-urlencoded", true},
			{"get", "/.well-known/jwks.json", "200", "", true},
			{"get", "/users/me", "200", "", false},
			{"patch", "/users/me", "200", "application/json", false},
			{"delete", "/users/me", "204", "application/json", false},
			{"post", "/users/me/password", "200", "application/json", false},
			{"post", "/logout", "204", "", false},
			{"get", "/users", "200", "", false},
			{"get", "/users/{id}", "200", "", false},
		} {
			op, ok := document.Paths[expected.path][expected.method]
			require.True(t, ok, expected)
			require.Contains(t, op.Responses, expected.status, expected)
			if expected.body != "" {
				require.Contains(t, op.RequestBody.Content, expected.body, expected)
			}
			require.Equal(t, expected.public, len(op.Security[0]) == 0, expected)
		}
	})
}

func TestEveryErrorIsAProblemDocument(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for name, response := range map[string]*servicetest.Response{
			"no token":     h.Anonymous().Get(t, "/users/me"),
			"bad token":    h.Anonymous().With("Authorization", "Bearer x.y.z").Get(t, "/users/me"),
			"broken JSON":  h.Anonymous().Post(t, "/users", `{"email":`),
			"wrong types":  h.Anonymous().Post(t, "/users", `{"email":1,"password":[],"name":{}}`),
			"no such path": h.Anonymous().Get(t, "/nowhere"),
			"bad login":    trySignIn(t, form(h), "unknown@example.com", "wrong password"),
		} {
			require.Equal(t, "application/problem+json", response.Header("Content-Type"), name)
			var problem struct{ Title, Detail, Code string }
			require.NoError(t, json.Unmarshal(response.Body, &problem), name)
			require.NotEmpty(t, problem.Detail, name)
			require.NotEmpty(t, problem.Code, name)
			require.Less(t, response.Status, 500, name)
		}
	})
}

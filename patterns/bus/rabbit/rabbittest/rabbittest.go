// Package rabbittest provides each test with its own RabbitMQ: a virtual host on the
// server of TEST_AMQP_URL, and a proxy that can cut its connections.
package rabbittest

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The environment variables with the URLs of the server and of its management API;
// scripts/servers prints them.
const (
	Variable      = "TEST_AMQP_URL"
	AdminVariable = "TEST_AMQP_ADMIN_URL"
)

// URL creates a virtual host and returns its URL. The virtual host is deleted when the
// test ends. Without a server the test is skipped, but a CI run without a server would
// prove nothing, so there the test fails.
func URL(t testing.TB) string {
	t.Helper()
	if !Available(t) {
		t.Skipf("%s is not set: skipping the RabbitMQ test", Variable)
	}
	name := "test-" + strings.ToLower(rand.Text())
	Admin(t, http.MethodPut, "/api/vhosts/"+name, "")
	t.Cleanup(func() { Admin(t, http.MethodDelete, "/api/vhosts/"+name, "") })
	return At(t, os.Getenv(Variable), func(u *url.URL) { u.Path = "/" + name })
}

// Available reports whether there is a server.
func Available(t testing.TB) bool {
	t.Helper()
	available := os.Getenv(Variable) != ""
	if !available && os.Getenv("CI") == "true" {
		t.Fatalf("%s must be set when CI=true", Variable)
	}
	return available
}

// Admin sends a request to the management API and requires that it succeeds.
func Admin(t testing.TB, method, path, body string) {
	t.Helper()
	base := os.Getenv(AdminVariable)
	require.NotEmpty(t, base, "%s must be set together with %s: the management API creates a virtual host for each test", AdminVariable, Variable)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // cleanups run after the test's own context has ended
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Close = true // leave no goroutine behind
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Less(t, response.StatusCode, 300, "%s %s: %s", method, path, response.Status)
}

// At returns a copy of a URL with a change.
func At(t testing.TB, raw string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	change(u)
	return u.String()
}

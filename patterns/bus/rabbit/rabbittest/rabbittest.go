// Package rabbittest gives tests a RabbitMQ of their own: a virtual host on the
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

// Where the server and its management API are, see scripts/servers.
const (
	Variable      = "TEST_AMQP_URL"
	AdminVariable = "TEST_AMQP_ADMIN_URL"
)

// URL gives the URL of a fresh virtual host, which is removed when the test ends.
// Without a server the test is skipped, but a CI run without one proves nothing,
// so it fails.
func URL(t testing.TB) string {
	t.Helper()
	if !Available(t) {
		t.Skipf("%s is not set: RabbitMQ is left out", Variable)
	}
	name := "test-" + strings.ToLower(rand.Text())
	Admin(t, http.MethodPut, "/api/vhosts/"+name, "")
	t.Cleanup(func() { Admin(t, http.MethodDelete, "/api/vhosts/"+name, "") })
	return At(t, os.Getenv(Variable), func(u *url.URL) { u.Path = "/" + name })
}

// Available tells whether there is a server.
func Available(t testing.TB) bool {
	t.Helper()
	there := os.Getenv(Variable) != ""
	if !there && os.Getenv("CI") == "true" {
		t.Fatalf("%s must be set when CI=true", Variable)
	}
	return there
}

// Admin sends a request to the management API, which must succeed.
func Admin(t testing.TB, method, path, body string) {
	t.Helper()
	base := os.Getenv(AdminVariable)
	require.NotEmpty(t, base, "%s must be set beside %s: the management API makes a virtual host for each test", AdminVariable, Variable)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also when the test's own context has ended
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Close = true // leave no goroutine behind
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Less(t, response.StatusCode, 300, "%s %s: %s", method, path, response.Status)
}

// At gives a URL with something changed.
func At(t testing.TB, raw string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	change(u)
	return u.String()
}

package app

import (
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/httpapi"
)

// greeter serves GET /greeting.
func greeter(name string) Service {
	return Service{Name: name, Build: func(Env) (Components, error) {
		return Components{Routes: func(api *httpapi.API) {
			api.Handle("GET /greeting", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte("hello over " + r.Proto))
			}))
		}}, nil
	}}
}

// startSystem starts services with these settings, and stops them after the test.
func startSystem(t *testing.T, environ map[string]string, services ...Service) *System {
	t.Helper()
	c := config(t, services...)
	maps.Copy(c.Environ, environ)
	system, err := Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, system.Stop()) })
	return system
}

// statusFor returns the status of a request with this Host.
func statusFor(t *testing.T, url, host string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func TestAPageThatRebindsItsNameReadsNothing(t *testing.T) {
	t.Parallel()
	system := startSystem(t, map[string]string{"ORDERS_HOSTS": "shop.example, *.Market.example"}, greeter("orders"), greeter("payments"))
	for _, path := range []string{"/greeting", "/metrics", "/health", "/openapi.json", "/nowhere"} {
		for _, host := range []string{"attacker.example", "attacker.example:80", "localhost.attacker.example", "127.0.0.1.attacker.example", "xlocalhost", "market.example"} {
			require.Equal(t, 421, statusFor(t, system.URL("orders")+path, host), "%s %s", path, host)
		}
	}
	for _, host := range []string{
		"", "localhost", "LOCALHOST:8000", "localhost.", "shop.localhost:1", "127.0.0.1", "127.0.0.1:9", "[::1]:9", "[::1]", "192.0.2.1",
		"shop.example", "shop.example:443", "a.market.example", "a.b.market.example",
	} {
		require.Equal(t, 200, statusFor(t, system.URL("orders")+"/greeting", host), host)
	}
	require.Equal(t, 421, statusFor(t, system.URL("payments")+"/greeting", "shop.example"), "that name is set for orders only")
}

func TestHostsAreListedForEveryServiceToo(t *testing.T) {
	t.Parallel()
	system := startSystem(t, map[string]string{"TROUPE_HOSTS": "shop.example"}, greeter("orders"), greeter("payments"))
	for _, name := range []string{"orders", "payments"} {
		require.Equal(t, 200, statusFor(t, system.URL(name)+"/greeting", "shop.example"), name)
		require.Equal(t, 421, statusFor(t, system.URL(name)+"/greeting", "attacker.example"), name)
	}
}

// In a container a service listens on every interface and is called by any name, unless
// its names are set.
func TestAServiceOnEveryInterfaceAnswersForAnyHostUnlessHostsAreSet(t *testing.T) {
	t.Parallel()
	everywhere := &net.TCPAddr{IP: net.IPv4zero, Port: 8002}
	hosts, err := newHostList(greeter("orders"), nil, nil, everywhere)
	require.NoError(t, err)
	require.Nil(t, hosts)

	environ := map[string]string{"ORDERS_HOSTS": "shop.example", "ORDERS_URL": "http://orders.internal:8002"}
	hosts, err = newHostList(greeter("orders"), environ, nil, everywhere)
	require.NoError(t, err)
	for host, accepted := range map[string]bool{
		"shop.example": true, "orders.internal:8002": true, "10.1.2.3:8002": true, "localhost": true, "attacker.example": false,
	} {
		require.Equal(t, accepted, hosts.accepts(host), host)
	}
}

func TestAHostThatNoClientSendsStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"https://shop.example", "shop.example:8000", "shop.example/", "*", "a*b.example", "a b", "[::1]"} {
		c := config(t, greeter("orders"))
		c.Environ["ORDERS_HOSTS"] = wrong
		_, err := Start(t.Context(), c)
		require.ErrorContains(t, err, "ORDERS_HOSTS", wrong)
	}
}

func TestARefusedHostIsAProblem(t *testing.T) {
	t.Parallel()
	system := startSystem(t, nil, greeter("orders"))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, system.URL("orders")+"/greeting", nil)
	require.NoError(t, err)
	request.Host = "attacker.example"
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body := new(strings.Builder)
	require.NoError(t, response.Write(body))
	require.Contains(t, response.Header.Get("Content-Type"), "application/problem+json")
	require.Contains(t, body.String(), "host_unknown")
	require.Contains(t, body.String(), "ORDERS_HOSTS")
}

package config_test

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services/gateway/internal/config"
)

// services are those that the default routes lead to.
var services = upstreams(config.Default)

func upstreams(file []byte) (found []string) {
	for _, m := range regexp.MustCompile(`upstream: (\w+)`).FindAllSubmatch(file, -1) {
		if name := string(m[1]); !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// accepted are files that are in order.
var accepted = map[string]string{
	"only the default": `extends: default`,
	"nothing else":     "extends: default\nroutes:\nupstreams:\nlimits:\n",
	"alone":            "routes: [{path: /, upstream: users, access: public}]",
	"all keys": `
extends: default
routes:
  - path: /legacy/{rest...}
    upstream: monolith
    access: public
    limits: [strangers]
    stream: true
    split: [{upstream: orders, percent: 99}]
  - {path: "/a/{b}/c", methods: [POST, GET], upstream: orders, access: admin, idempotent: true}
upstreams:
  monolith:
    targets: ["http://django:8000", "https://[::1]:8443"]
    timeout: 30s
    try_timeout: 1m30s
    slow_try: 500ms
    idle_timeout: 1.5h
    keep_alive: 0s
    openapi: /api/schema.json
    max_body: 10485760
    in_flight: 32
    adaptive: true
    health: {path: /healthz, interval: 5s, timeout: 1s, up: 2, down: 3}
    ejection: {failures: 5, base: 5s, longest: 1m, percent: 50}
    recovery: 10s
  orders:
limits:
  strangers: {key: address, rate: 0.5, burst: 10, everywhere: true, except: [127.0.0.0/8, "::1/128"]}
`,
	"one key of a limit of the default": "extends: default\nlimits:\n  sign_in: {burst: 10}\n",
	"compositions": `
routes:
  - {path: /mine, methods: [GET], access: authenticated, compose: overview}
  - {path: "/sales/{id}", methods: [GET], upstream: orders, access: authenticated, compose: order}
`,
	"an anchor": `
extends: default
routes:
  - {path: /a, upstream: users, access: public, methods: &reading [GET]}
  - {path: /b, upstream: users, access: public, methods: *reading}
`,
	"json": `{"routes": [{"path": "/{rest...}", "upstream": "users", "access": "public"}]}`,
}

// refused are files with a mistake, and the sentence about it. Those that are local break
// a rule that a JSON Schema can express.
var refused = []struct {
	name, text, want string
	local            bool
}{
	{"an API document elsewhere", "extends: default\nupstreams:\n  orders: {openapi: schema.json}\n", `:3: openapi is "schema.json": write a path`, true},
	{"a negative keep_alive", "extends: default\nupstreams:\n  orders: {keep_alive: -1s}\n", ":3: keep_alive is -1s: it must be positive", true},
	{"an empty file", "\n# nothing\n", `:1: the file is empty: write "extends: default", or routes`, true},
	{"no routes", "limits: {}\n", `:1: there is no route: add "extends: default", or routes`, true},
	{"not yaml", "routes:\n  - {path: /a\n", `: this is not YAML: `, false},
	{"a tab", "routes:\n\t- a\n", `:2: this is not YAML: found character that cannot start any token`, false},
	{"two documents", "extends: default\n---\nroutes: []\n", ":2: a second document begins here", false},
	{"a list", "- a\n", `:1: the file is a list: write keys and values, such as "routes:"`, true},
	{"text", "hello\n", `:1: the file is "hello": write keys and values`, true},
	{"an unknown key", "extends: default\nroute: []\n", `:2: the file has no key "route": it may have extends, limits, routes, upstreams`, true},
	{"an unknown base", "extends: other\n", `:1: extends is "other": write "extends: default"`, true},
	{"a key twice", "extends: default\nroutes: []\nroutes: []\n", `:3: the file has the key "routes" twice, first in line 2: remove one`, false},
	{"an unknown key of a route", route("retries: 3"), `:8: routes[0] has no key "retries": it may have access, `, true},
	{"no path", "extends: default\nroutes:\n  - {upstream: users, access: public}\n", `:3: the path is "": it must begin with /`, true},
	{"a relative path", with("path: a"), `:4: the path is "a": it must begin with /, for example /orders/{id}`, true},
	{"a path that ends in /", with("path: /a/"), `:4: the path /a/ ends in /: remove it, or write /{rest...} for everything below`, true},
	{"an empty segment", with("path: /a//b"), `:4: the path /a//b has an empty or dot segment`, true},
	{"a dot segment", with("path: /a/../b"), `:4: the path /a/../b has an empty or dot segment`, false},
	{"a parameter in a segment", with("path: /a-{id}"), `has the segment a-{id}: a parameter is a whole segment, for example {id}`, true},
	{"a parameter without a name", with("path: '/{}'"), `has the segment {}: a parameter is a whole segment`, true},
	{"an end of the mux", with("path: '/a/{$}'"), `has the segment {$}: a parameter is a whole segment`, true},
	{"a rest in the middle", with("path: '/{rest...}/a'"), `goes on after {rest...}: it must be the last segment`, true},
	{"a parameter twice", with("path: '/{id}/{id}'"), `has the parameter id twice`, false},
	{"an encoded path", with("path: /%61"), `has the segment %61: use letters, digits`, true},
	{"a star", with("path: /a?b"), `has the segment a?b: use letters, digits`, true},
	{"a path of the gateway", with("path: /metrics"), `the gateway answers /metrics itself: choose another path`, false},
	{"a path of its docs", with("path: '/docs/{rest...}'"), `the gateway answers /docs/{rest...} itself`, false},
	{"an unknown method", route("methods: [GET, BREW]"), `:8: the method is "BREW": write one of GET, POST, PUT, PATCH, DELETE, OPTIONS`, true},
	{"a method in small letters", route("methods: [get]"), `the method is "get"`, true},
	{"HEAD", route("methods: [HEAD]"), `HEAD comes with GET: write GET`, true},
	{"a method twice", route("methods: [GET, GET]"), `the method GET is listed twice`, true},
	{"methods that are no list", route("methods: GET"), `:8: routes[0].methods is "GET": write a list, such as [a, b]`, true},
	{"no upstream", "extends: default\nroutes:\n  - {path: /a, access: public}\n", `:3: upstream is missing`, true},
	{"an unknown upstream", with("upstream: user"), `:5: there is no upstream "user": add it to upstreams with its targets, or name one of users, `, false},
	{"itself", with("upstream: gateway"), `:5: there is no upstream "gateway"`, false},
	{"no access", "extends: default\nroutes:\n  - {path: /a, upstream: users}\n", `:3: access is missing: write public, authenticated or admin`, true},
	{"an unknown access", with("access: everybody"), `:6: access is "everybody": write public, authenticated or admin`, true},
	{"yes", route("stream: yes"), `routes[0].stream is "yes": write true or false`, true},
	{"idempotent without POST", route("methods: [GET], idempotent: true"), `idempotent is about POST`, false},
	{"an unknown limit", route("limits: [login]"), `:8: there is no limit "login"`, false},
	{"a split of 0", route("split: [{upstream: orders, percent: 0}]"), `percent is 0: write a number from 1 to 99`, true},
	{"a split of all", route("split: [{upstream: orders, percent: 60}, {upstream: payments, percent: 40}]"), `the split sends 100 % elsewhere: leave at least 1 % for users`, false},
	{"a split to itself", route("split: [{upstream: users, percent: 5}]"), `the route leads to "users" twice`, false},
	{"a split to nowhere", route("split: [{upstream: canary, percent: 5}]"), `there is no upstream "canary"`, false},
	{"a fraction", route("split: [{upstream: orders, percent: 0.5}]"), `percent is "0.5": write a whole number`, true},
	{"a stranger without targets", upstream("x: {timeout: 5s}"), `:3: x is no service of the system, so it needs targets`, false},
	{"a target without a scheme", upstream("x: {targets: [localhost:8000]}"), `:3: the target is "localhost:8000": write a scheme and a host`, true},
	{"a target with a path", upstream("x: {targets: ['http://a/b']}"), `the target is "http://a/b"`, true},
	{"a target with a password", upstream("x: {targets: ['http://a:b@c']}"), `the target is "http://a:b@c"`, true},
	{"a target twice", upstream("x: {targets: ['http://a', 'http://a']}"), `the target http://a is listed twice`, true},
	{"a time without a unit", upstream("orders: {timeout: 5}"), `:3: upstreams.orders.timeout is "5": write a time with its unit, such as 500ms, 5s or 1m30s`, true},
	{"a time of zero", upstream("orders: {timeout: 0s}"), `timeout is 0s: it must be positive`, false},
	{"a negative time", upstream("orders: {health: {interval: -1s}}"), `health.interval is -1s: it must be positive`, true},
	{"a count of zero", upstream("orders: {in_flight: 0}"), `in_flight is 0: it must be positive`, true},
	{"a number too large", upstream("orders: {max_body: 99999999999999999999}"), `max_body is "99999999999999999999": write a whole number`, false},
	{"a health path", upstream("orders: {health: {path: readyz}}"), `the path is "readyz": it must begin with /`, true},
	{"more than all", upstream("orders: {ejection: {percent: 101}}"), `percent is 101: write a number from 1 to 100`, true},
	{"a longest that is shorter", upstream("orders: {ejection: {base: 1m, longest: 5s}}"), `longest is 5s, shorter than base, 1m0s`, false},
	{"a limit by cookie", limit("key: cookie, rate: 1, burst: 1"), `key is "cookie": write user or address`, true},
	{"a limit without a rate", limit("key: user, burst: 1"), `:3: rate is 0: write the requests a second`, false},
	{"a rate that is no number", limit("key: user, rate: 5/s, burst: 1"), `limits.l.rate is "5/s": write a number`, true},
	{"an endless rate", limit("key: user, rate: inf, burst: 1"), `rate is +Inf: write the requests a second`, true},
	{"a limit without a burst", limit("key: user, rate: 1"), `burst is 0: it must be at least 1`, false},
	{"a limit's name that no header can have", "extends: default\nlimits:\n  Größe: {key: user, rate: 1, burst: 1}\n", `:3: the limit's name is "Größe": use up to 32 small letters`, true},
	{"an unknown composition", route("compose: basket"), `:8: compose is "basket": write overview or order`, true},
	{"a composition of a POST", route("compose: order\n    methods: [POST]"), `a response is composed for GET alone: write methods: [GET]`, false},
	{"a composition for strangers", route("compose: order\n    methods: [GET]"), `the response is composed for the caller: access cannot be public`, false},
	{"an order without an id", "extends: default\nroutes:\n  - {path: /a, methods: [GET], upstream: orders, access: admin, compose: order}\n", `:3: the path is "/a": to compose an order it must have one parameter, its id`, false},
	{"an overview of one service", "extends: default\nroutes:\n  - {path: /a, methods: [GET], upstream: orders, access: admin, compose: overview}\n", `:3: an overview has no upstream of its own: remove upstream and split`, false},
	{"an address without a length", limit("key: user, rate: 1, burst: 1, except: [10.0.0.1]"), `limits.l.except[0] is "10.0.0.1": write a network, such as 10.0.0.0/8, or 10.0.0.7/32 for one address`, true},
	{"the same route twice", "extends: default\nroutes:\n  - {path: '/a/{x}', upstream: users, access: public}\n  - {path: '/a/{y}', methods: [GET], upstream: users, access: admin}\n", `:4: GET /a/{y} is a route already, in line 3: remove one`, false},
	{"two routes, neither more specific", "extends: default\nroutes:\n  - {path: '/{x}/b', upstream: users, access: public}\n  - {path: '/a/{y}', upstream: users, access: admin}\n", `:4: /a/{y} matches some of the paths of /{x}/b, in line 3, and neither is more specific: change one of them`, false},
	{"a conflict with the default", "extends: default\nroutes:\n  - {path: '/{x}/me', methods: [GET], upstream: users, access: public}\n", `:3: /{x}/me matches some of the paths of /users/{id}, of the default, and neither is more specific: change one of them`, false},
}

// route returns a file with a route that has these keys too, in line 8.
func route(keys string) string {
	return "extends: default\nroutes:\n  -\n    path: /a\n    upstream: users\n    access: public\n    # here\n    " +
		strings.ReplaceAll(keys, ", idempotent", "\n    idempotent") + "\n"
}

// with returns a file with a route, of which one key is another.
func with(key string) string {
	name, _, _ := strings.Cut(key, ":")
	text := "extends: default\nroutes:\n  -\n    path: /a\n    upstream: users\n    access: public\n"
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), name+":") {
			return strings.Replace(text, line, "    "+key, 1)
		}
	}
	return text
}

func upstream(entry string) string { return "extends: default\nupstreams:\n  " + entry + "\n" }

func limit(keys string) string { return "extends: default\nlimits:\n  l: {" + keys + "}\n" }

func TestEveryMistakeIsRefusedWithItsLine(t *testing.T) {
	t.Parallel()
	for _, c := range refused {
		_, err := config.Parse("gateway.yaml", []byte(c.text), services)
		require.Error(t, err, c.name)
		require.Contains(t, err.Error(), c.want, c.name)
		for line := range strings.Lines(err.Error()) {
			require.Regexp(t, `^gateway\.yaml:\d+: .`, line, c.name)
		}
	}
}

func TestAllMistakesAreListedInOrder(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("gateway.yaml", []byte(`routes:
  - {path: a, upstream: users, access: public}
  - {path: /b, upstream: nobody, access: all, colour: red}
upstreams:
  users: {timeout: soon, in_flight: many}
limits:
  l: {key: user}
`), services)
	require.Error(t, err)
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.SplitN(line, ":", 3)[1])
	}
	require.Equal(t, []string{"2", "3", "3", "3", "5", "5", "7", "7"}, lines, err.Error())
}

func TestAFileAddsToTheDefault(t *testing.T) {
	t.Parallel()
	base, err := config.Parse("default.yaml", config.Default, services)
	require.NoError(t, err)
	c, err := config.Parse("gateway.yaml", []byte(`
extends: default
routes:
  - {path: "/legacy/{rest...}", upstream: monolith, access: public}
  - {path: "/orders/{order}", methods: [GET], upstream: monolith, access: authenticated}
  - {path: /users/me, methods: [DELETE], upstream: monolith, access: authenticated}
upstreams:
  monolith: {targets: ["http://django:8000"]}
`), services)
	require.NoError(t, err)
	require.Len(t, c.Routes, len(base.Routes)+2, "one of the three replaces a route, one a method of a route")
	require.Equal(t, "monolith", upstreamOf(c, "GET", "/orders/{order}"))
	require.Empty(t, upstreamOf(c, "GET", "/orders/{id}"))
	require.Equal(t, "orders", upstreamOf(c, "GET", "/orders/{id}/timeline"))
	require.Equal(t, "monolith", upstreamOf(c, "DELETE", "/users/me"))
	require.Equal(t, "users", upstreamOf(c, "GET", "/users/me"))
}

func upstreamOf(c *config.Config, method, path string) (upstream string) {
	for _, r := range c.Routes {
		for _, m := range r.AllMethods() {
			if m == method && r.Path == path {
				upstream += r.Upstream
			}
		}
	}
	return upstream
}

func TestAFileChangesOnlyTheKeysOfAnUpstreamThatItNames(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("gateway.yaml", []byte(accepted["all keys"]), services)
	require.NoError(t, err)
	require.Equal(t, config.Upstream{
		Targets: []string{"http://django:8000", "https://[::1]:8443"},
		Timeout: 30 * time.Second, TryTimeout: 90 * time.Second, SlowTry: 500 * time.Millisecond, Idle: 90 * time.Minute,
		KeepAlive: new(time.Duration), OpenAPI: "/api/schema.json", MaxBody: 10 << 20, InFlight: 32, Adaptive: true,
		Health:   config.Health{Path: "/healthz", Interval: 5 * time.Second, Timeout: time.Second, Up: 2, Down: 3},
		Ejection: config.Ejection{Failures: 5, Base: 5 * time.Second, Longest: time.Minute, Percent: 50},
		Recovery: 10 * time.Second,
	}, c.Upstreams["monolith"])
	require.Equal(t, config.Limit{
		Key: config.ByAddress, Rate: 0.5, Burst: 10, Everywhere: true,
		Except: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	}, c.Limits["strangers"])
	require.Contains(t, c.UpstreamNames(), "monolith")
}

// The page for operators shows whole files. Each must be accepted.
func TestTheExamplesOfThePageAreAccepted(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/GATEWAY.md")
	require.NoError(t, err)
	examples := strings.Split(string(page), "```yaml\n")[1:]
	require.NotEmpty(t, examples)
	v := validator(t)
	for _, example := range examples {
		text, _, _ := strings.Cut(example, "```")
		_, err := config.Parse("gateway.yaml", []byte(text), services)
		require.NoError(t, err, text)
		require.NoError(t, v.Validate(instance(t, text)), text)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range accepted {
		f.Add(text)
	}
	for _, c := range refused {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("gateway.yaml", []byte(text), services)
		if err == nil && len(c.Routes) == 0 {
			t.Fatal("a file without routes is accepted")
		}
	})
}

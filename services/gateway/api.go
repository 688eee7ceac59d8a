package gateway

import (
	"slices"
	"strings"

	"troupe/services/gateway/internal/openapi"
)

// access is who may call a route.
type access uint8

const (
	public        access = iota
	authenticated        // anyone with a valid token
	adminOnly
)

// idempotent marks a POST that the service carries out once for each Idempotency-Key, so
// that the gateway may retry it when the response was lost. The gateway retries no other
// POST: a key that a client sends proves nothing about the service.
const idempotent = true

type route struct {
	pattern    string // a pattern of http.ServeMux; GET includes HEAD
	upstream   string
	access     access
	idempotent bool
}

// routes lists every operation that can be reached from outside. The most specific
// pattern wins, and segments match as a whole: /usersX is not below /users.
var routes = []route{
	{"POST /users", "users", public, idempotent},
	{"GET /users", "users", adminOnly, !idempotent},
	{"GET /users/{id}", "users", adminOnly, !idempotent},
	{"GET /users/me", "users", authenticated, !idempotent},
	{"PATCH /users/me", "users", authenticated, !idempotent},
	{"DELETE /users/me", "users", authenticated, !idempotent},
	{"POST /users/me/password", "users", authenticated, !idempotent},
	{"POST /token", "users", public, !idempotent},
	{"POST /logout", "users", authenticated, !idempotent},
	{"GET /.well-known/jwks.json", "users", public, !idempotent},

	{"GET /products", "inventory", public, !idempotent},
	{"GET /products/{sku}", "inventory", public, !idempotent},
	{"PUT /products/{sku}", "inventory", adminOnly, !idempotent},
	{"POST /products/{sku}/stock", "inventory", adminOnly, idempotent},

	{"POST /orders", "orders", authenticated, idempotent},
	{"GET /orders", "orders", authenticated, !idempotent},
	{"GET /orders/{id}", "orders", authenticated, !idempotent},
	{"GET /orders/{id}/timeline", "orders", authenticated, !idempotent},
	{"POST /orders/{id}/cancel", "orders", authenticated, idempotent},
	{"POST /orders/{id}/ship", "orders", adminOnly, idempotent},
	{"POST /orders/{id}/deliver", "orders", adminOnly, idempotent},

	{"GET /payments", "payments", authenticated, !idempotent},
	{"POST /payments/{id}/refund", "payments", adminOnly, idempotent},

	{"GET /notifications", "notifications", authenticated, !idempotent},
	{"POST /notifications/{id}/read", "notifications", authenticated, !idempotent},
}

// upstreams returns the names of the services that requests are forwarded to, sorted.
func upstreams() []string {
	var names []string
	for _, r := range routes {
		names = append(names, r.upstream)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isExposed reports whether an operation of a service is one of the routes.
func isExposed(service, method, path string) bool {
	return slices.ContainsFunc(routes, func(r route) bool {
		m, pattern, _ := strings.Cut(r.pattern, " ")
		return r.upstream == service && m == method && openapi.PathPattern(pattern) == path
	})
}

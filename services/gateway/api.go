package gateway

import (
	"slices"
	"strings"

	"troupe/services/gateway/internal/openapi"
)

// access is who may call.
type access uint8

const (
	anybody access = iota
	callers        // with a valid token
	admins
)

// keyed says of a POST that the service does it once for one Idempotency-Key, so
// that it may be sent again when its answer was lost. Of no other POST can the
// gateway know: a key alone is a client's wish, not the service's promise.
const keyed = true

type route struct {
	pattern  string // as of http.ServeMux; GET also takes HEAD
	upstream string
	access   access
	keyed    bool
}

// routes are all that can be reached from outside: what is not listed does not
// exist. The most specific pattern wins, and segments match whole: /usersX is
// not below /users.
var routes = []route{
	{"POST /users", "users", anybody, keyed},
	{"GET /users", "users", admins, !keyed},
	{"GET /users/{id}", "users", admins, !keyed},
	{"GET /users/me", "users", callers, !keyed},
	{"PATCH /users/me", "users", callers, !keyed},
	{"DELETE /users/me", "users", callers, !keyed},
	{"POST /users/me/password", "users", callers, !keyed},
	{"POST /token", "users", anybody, !keyed},
	{"POST /logout", "users", callers, !keyed},
	{"GET /.well-known/jwks.json", "users", anybody, !keyed},

	{"GET /products", "inventory", anybody, !keyed},
	{"GET /products/{sku}", "inventory", anybody, !keyed},
	{"PUT /products/{sku}", "inventory", admins, !keyed},
	{"POST /products/{sku}/stock", "inventory", admins, keyed},

	{"POST /orders", "orders", callers, keyed},
	{"GET /orders", "orders", callers, !keyed},
	{"GET /orders/{id}", "orders", callers, !keyed},
	{"GET /orders/{id}/timeline", "orders", callers, !keyed},
	{"POST /orders/{id}/cancel", "orders", callers, keyed},
	{"POST /orders/{id}/ship", "orders", admins, keyed},
	{"POST /orders/{id}/deliver", "orders", admins, keyed},

	{"GET /payments", "payments", callers, !keyed},
	{"POST /payments/{id}/refund", "payments", admins, keyed},

	{"GET /notifications", "notifications", callers, !keyed},
	{"POST /notifications/{id}/read", "notifications", callers, !keyed},
}

// upstreams are the services that anything is forwarded to.
func upstreams() []string {
	var names []string
	for _, r := range routes {
		names = append(names, r.upstream)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// exposed says whether an operation of a service is one of the routes.
func exposed(service, method, path string) bool {
	return slices.ContainsFunc(routes, func(r route) bool {
		m, pattern, _ := strings.Cut(r.pattern, " ")
		return r.upstream == service && m == method && openapi.Shape(pattern) == path
	})
}

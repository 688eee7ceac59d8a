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

type route struct {
	pattern  string // as of http.ServeMux; GET also takes HEAD
	upstream string
	access   access
}

// routes are all that can be reached from outside: what is not listed does not
// exist. The most specific pattern wins, and segments match whole: /usersX is
// not below /users.
var routes = []route{
	{"POST /users", "users", anybody},
	{"GET /users", "users", admins},
	{"GET /users/{id}", "users", admins},
	{"GET /users/me", "users", callers},
	{"PATCH /users/me", "users", callers},
	{"DELETE /users/me", "users", callers},
	{"POST /users/me/password", "users", callers},
	{"POST /token", "users", anybody},
	{"POST /logout", "users", callers},
	{"GET /.well-known/jwks.json", "users", anybody},

	{"GET /products", "inventory", anybody},
	{"GET /products/{sku}", "inventory", anybody},
	{"PUT /products/{sku}", "inventory", admins},
	{"POST /products/{sku}/stock", "inventory", admins},

	{"POST /orders", "orders", callers},
	{"GET /orders", "orders", callers},
	{"GET /orders/{id}", "orders", callers},
	{"GET /orders/{id}/timeline", "orders", callers},
	{"POST /orders/{id}/cancel", "orders", callers},
	{"POST /orders/{id}/ship", "orders", admins},
	{"POST /orders/{id}/deliver", "orders", admins},

	{"GET /payments", "payments", callers},
	{"POST /payments/{id}/refund", "payments", admins},

	{"GET /notifications", "notifications", callers},
	{"POST /notifications/{id}/read", "notifications", callers},
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

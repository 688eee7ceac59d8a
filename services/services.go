// Package services is the registry: every service of the system, once. All code that runs,
// checks or describes all services takes the list from here.
package services

import (
	"troupe/app"
	"troupe/services/console"
	"troupe/services/gateway"
	"troupe/services/inventory"
	"troupe/services/notifications"
	"troupe/services/orders"
	"troupe/services/payments"
	"troupe/services/users"
)

// All lists every service. The gateway comes first, and then the console: what calls the
// others stops before them. The gateway's address is the one that users know.
var All = []app.Service{
	gateway.Service, console.Service, users.Service, orders.Service, notifications.Service, inventory.Service, payments.Service,
}

// Names returns the names of all services, in the order of All.
func Names() []string {
	names := make([]string, len(All))
	for i, s := range All {
		names[i] = s.Name
	}
	return names
}

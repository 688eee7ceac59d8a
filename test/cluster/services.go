package cluster

import (
	"troupe/app"
	"troupe/services/gateway"
	"troupe/services/inventory"
	"troupe/services/notifications"
	"troupe/services/orders"
	"troupe/services/payments"
	"troupe/services/users"
)

// all are the services, the gateway first.
var all = []app.Service{
	gateway.Service, users.Service, orders.Service, notifications.Service, inventory.Service, payments.Service,
}

package console

import (
	"cmp"
	"slices"
	"time"
)

// labFault is a fault that the lab can cause, and the order that shows it.
type labFault struct {
	id, title, expect string
	// at are the faults that are caused at services before the order is placed.
	at []faultAt
	// breaker is the upstream whose circuit breaker is forced open.
	breaker string
	// provoke is a path that is requested until the circuit of its service opens.
	provoke string
	// poison is the type of the event about the order that its consumer cannot read.
	poison *poisonAt
	// method is the payment method of the order; "" is a card that works.
	method string
	// scarce orders more than there is.
	scarce bool
}

// faultAt is a fault at a service, by the name under which the service knows it.
type faultAt struct{ service, name string }

type poisonAt struct{ publisher, eventType, consumer string }

// labDuration is how long a fault lasts unless the request says otherwise.
const labDuration = 20 * time.Second

// everywhere returns the fault at all services that take part in an order.
func everywhere(name string) (at []faultAt) {
	for _, service := range []string{"inventory", "notifications", "orders", "payments"} {
		at = append(at, faultAt{service, name})
	}
	return at
}

// labFaults are the faults, in the order in which the lab shows them.
var labFaults = []labFault{
	{
		id: "card_declined", title: "Card declined", method: "pm_card_chargeDeclined",
		expect: "The order is cancelled: the card was declined. The reserved stock is released, nothing is charged, and the customer is notified.",
	},
	{
		id: "out_of_stock", title: "Out of stock", scarce: true,
		expect: "The order is cancelled: there is not enough stock. The authorized money is given back, and the customer is notified.",
	},
	{
		id: "provider_times_out", title: "Provider times out after charging", method: "pm_fake_timeout_then_charged",
		expect: "The payment provider has authorized the money, but its answer is lost. After 5 seconds payments asks what became of it, and the order is paid once.",
	},
	{
		id: "provider_down", title: "Provider down", at: []faultAt{{"payments", "provider"}},
		expect: "The order waits for payments, which repeats its call until the provider is back. Then the order is paid.",
	},
	{
		id: "capture_fails", title: "Capture fails", method: "pm_fake_capture_fails",
		expect: "The order is confirmed, then the money cannot be captured. The order is cancelled, and the stock goes back.",
	},
	{
		id: "poison_event", title: "Poison event", poison: &poisonAt{"orders", "order.paid.v1", "notifications"},
		expect: "Notifications gets an event that it cannot read, which becomes a dead letter at once. Other events are handled as ever, and the order is paid.",
	},
	{
		id: "duplicate_delivery", title: "Duplicate delivery", at: everywhere("duplicate"),
		expect: "Every event reaches its consumers twice and takes effect once: the order is paid once.",
	},
	{
		id: "lost_acknowledgement", title: "Lost acknowledgement", at: everywhere("lost_ack"),
		expect: "Services handle events, but the bus does not learn of it and delivers them again. The second delivery has no effect, and the order is paid once.",
	},
	{
		id: "slow_consumer", title: "Slow consumer", at: []faultAt{{"payments", "slow"}},
		expect: "Payments takes seconds for each batch of events. Its events wait for it, the order is paid later, and no other service is held up.",
	},
	{
		id: "broker_away", title: "Broker away", at: everywhere("broker"),
		expect: "The order is taken, and its events wait in the outboxes. When the broker is back, they are published, and the order is paid.",
	},
	{
		id: "service_killed", title: "Service killed", at: []faultAt{{"payments", "stopped"}},
		expect: "Payments stops: no requests, no events, no work. The order waits for it and is paid after it has started again. The process itself goes on: the lab stops what runs in it.",
	},
	{
		id: "service_down", title: "Service down", at: []faultAt{{"inventory", "down"}}, provoke: "/products",
		expect: "Connections to inventory break, so the gateway opens its circuit and answers at once. Orders are taken and paid all the same, because events do not need HTTP.",
	},
	{
		id: "open_circuit", title: "Open circuit", breaker: "inventory",
		expect: "The gateway refuses requests to inventory, as if an admin had opened the circuit. Orders are taken and paid all the same.",
	},
	{
		id: "database_away", title: "Database away", at: []faultAt{{"payments", "database"}},
		expect: "Payments cannot reach its database. No event is to blame, so none becomes a dead letter. The order waits and is paid when the database is back.",
	},
}

// findFault returns the fault with this id.
func findFault(id string) (labFault, bool) {
	i := slices.IndexFunc(labFaults, func(f labFault) bool { return f.id == id })
	if i < 0 {
		return labFault{}, false
	}
	return labFaults[i], true
}

// durationOf returns how long a fault lasts.
func durationOf(seconds int) time.Duration {
	return cmp.Or(time.Duration(seconds)*time.Second, labDuration)
}

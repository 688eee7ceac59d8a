package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"troupe/events"
	"troupe/platform/ascii"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/traffic"
	"troupe/services/console/internal/view"
)

const (
	outboxStalledAfter = 30.0 // seconds
	recently           = 15 * time.Minute
)

// overview makes the first page from what arrives and from what the services answer.
type overview struct {
	*console
	traffic *traffic.Traffic
	poll    *poll
}

type overviewResponse struct{ Body view.Overview }

func (c *console) registerOverview(api *httpapi.API) {
	o := &overview{console: c, traffic: traffic.New(c.Now), poll: &poll{}}
	c.observe(o.traffic.Observe)
	c.overviewNow = o.view
	httpapi.Get(api, "/console/api/overview", func(ctx context.Context, in *byAdmin) (*overviewResponse, error) {
		v, err := o.view(ctx, in.Authorization)
		return &overviewResponse{v}, err
	}, httpapi.RequireRole(auth.Admin), httpapi.Summary("Show what needs attention, and the traffic between the services"))
}

// view returns the overview. A service that does not answer is a part of the picture and not
// an error.
func (o *overview) view(ctx context.Context, authorization string) (view.Overview, error) {
	answers := o.poll.now(ctx, o.console, authorization)
	services, circuits := answers.services, o.circuits(answers)
	backlog := 0.0
	for _, s := range services {
		backlog += s.outbox + s.queue + s.parked
	}
	o.traffic.Set("backlog", backlog)
	count, err := store.CountOrders(ctx, o.DB)
	if err != nil {
		return view.Overview{}, err
	}
	attention, err := o.attention(ctx, services, circuits)
	if err != nil {
		return view.Overview{}, err
	}
	return view.Overview{
		Attention: attention, Topology: o.topology(services, circuits), Tiles: o.tiles(), Orders: count,
		Faults: o.lab.active(), Gaps: o.traffic.Lost(),
	}, nil
}

// circuit is a circuit breaker that is not closed.
type circuit struct {
	service, dependency, state string
	since                      time.Time
}

// circuits returns the circuit breakers that are not closed: those of the gateway, which it
// has answered with, and those of services, which the journals report.
func (o *overview) circuits(answers polledAll) (open []circuit) {
	for c, moved := range o.traffic.Open() {
		if c.Service != "gateway" || !answers.answered {
			open = append(open, circuit{c.Service, c.Dependency, ascii.Lower(moved.To), moved.At})
		}
	}
	open = append(open, answers.circuits...)
	slices.SortFunc(open, func(a, b circuit) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.dependency, b.dependency))
	})
	return open
}

// attention returns what needs a look, the most urgent first.
func (o *overview) attention(ctx context.Context, services map[string]polled, circuits []circuit) ([]view.Attention, error) {
	now := o.Now()
	all := o.servicesAttention(services)
	for _, c := range circuits {
		all = append(all, view.Attention{
			Kind: "breaker", Title: fmt.Sprintf("The circuit of %s to %s is %s", c.service, c.dependency, c.state), Count: 1, Since: c.since, Link: "/services",
		})
	}
	stuck, err := store.StuckOrders(ctx, o.DB, now.Add(-story.StuckAfter))
	if err != nil {
		return nil, err
	}
	if stuck.Count > 0 {
		all = append(all, view.Attention{
			Kind: "stuck_orders", Title: plural(stuck.Count, "order has", "orders have") + " waited for longer than 5 minutes",
			Count: stuck.Count, Since: stuck.Since, Link: "/orders?status=pending",
		})
	}
	failed, err := store.EventsSince(ctx, o.DB, events.NotificationFailed{}.EventType(), now.Add(-recently))
	if err != nil {
		return nil, err
	}
	if failed.Count > 0 {
		all = append(all, view.Attention{
			Kind: "deliveries", Title: plural(failed.Count, "message", "messages") + " to customers failed in the last 15 minutes",
			Count: failed.Count, Since: failed.Since, Link: "/mails",
		})
	}
	if all == nil {
		all = []view.Attention{}
	}
	return all, nil
}

// servicesAttention returns what the services themselves show.
func (o *overview) servicesAttention(services map[string]polled) (all []view.Attention) {
	add := func(kind, title string, count int, since time.Time, link string) {
		all = append(all, view.Attention{Kind: kind, Title: title, Count: count, Since: since, Link: link})
	}
	for _, name := range polledServices {
		s := services[name]
		if s.state == "down" || s.state == "impaired" {
			add("service", name+": "+s.reason, 1, s.since, "/services")
		}
	}
	for _, name := range polledServices {
		if s := services[name]; s.dead > 0 {
			add("dead_letters", plural(int(s.dead), "dead letter", "dead letters")+" of "+name, int(s.dead), s.first, "/dead-letters")
		}
	}
	for _, name := range polledServices {
		if s := services[name]; s.oldest > outboxStalledAfter {
			since := o.Now().Add(-time.Duration(s.oldest) * time.Second)
			add("outbox", plural(int(s.outbox), "event", "events")+" of "+name+" wait to be published", int(s.outbox), since, "/services")
		}
	}
	return all
}

// topology returns the picture of the services with their traffic.
func (o *overview) topology(services map[string]polled, circuits []circuit) view.Topology {
	t := view.Topology{Nodes: []view.Node{}, Edges: []view.Edge{}}
	for _, name := range polledServices {
		s := services[name]
		n := view.Node{Name: name, State: s.state, Reason: s.reason, Outbox: int(s.outbox), Queue: int(s.queue), Parked: int(s.parked)}
		n.Rate = o.traffic.Rate(traffic.Key{From: "bus", To: name, Kind: traffic.Handled}) + o.traffic.Rate(traffic.Key{From: "gateway", To: name, Kind: traffic.Requests})
		for _, c := range circuits {
			if c.service == name {
				n.Breakers = append(n.Breakers, c.dependency+": "+c.state)
			}
		}
		t.Nodes = append(t.Nodes, n)
		t.Edges = append(t.Edges, o.edges(name, s.state)...)
	}
	t.Nodes = append(t.Nodes, busNode(services))
	return t
}

// busNode returns the bus as the services see it: they are impaired without it.
func busNode(services map[string]polled) view.Node {
	n := view.Node{Name: "bus", State: "unknown"}
	for _, name := range polledServices {
		switch s := services[name]; {
		case len(events.Published(name)) == 0:
		case s.degraded:
			return view.Node{Name: "bus", State: "impaired", Reason: name + ": " + s.reason}
		case s.state == "up":
			n.State = "up"
		}
	}
	return n
}

// plural returns "1 order has" or "3 orders have".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (o *overview) edges(name, state string) (edges []view.Edge) {
	rate := func(from, to, kind string) float64 {
		return o.traffic.Rate(traffic.Key{From: from, To: to, Kind: kind})
	}
	if name != "gateway" {
		e := view.Edge{From: "gateway", To: name, Kind: "http", Rate: rate("gateway", name, traffic.Requests), State: "ok"}
		if state == "down" {
			e.State = "failing"
		}
		edges = append(edges, e)
	}
	if len(events.Published(name)) > 0 {
		edges = append(edges, view.Edge{From: name, To: "bus", Kind: "event", Rate: rate(name, "bus", traffic.Published), State: "ok"})
	}
	if consumes(name) {
		e := view.Edge{From: "bus", To: name, Kind: "event", Rate: rate("bus", name, traffic.Handled), State: "ok"}
		switch {
		case rate("bus", name, traffic.Dead) > 0:
			e.State = "failing"
		case rate("bus", name, traffic.Failed) > 0:
			e.State = "retrying"
		}
		edges = append(edges, e)
	}
	return edges
}

// tiles returns the four numbers of the overview. Their values are those of the last minute,
// or the newest one.
func (o *overview) tiles() []view.Tile {
	tile := func(id, title, unit string, value func([]float64) float64) view.Tile {
		series := o.traffic.Series(id)
		return view.Tile{ID: id, Title: title, Unit: unit, Value: value(series[len(series)-4:]), Series: series}
	}
	sum := func(minute []float64) (total float64) {
		for _, v := range minute {
			total += v
		}
		return total
	}
	newest := func(minute []float64) float64 {
		for _, v := range slices.Backward(minute) {
			if v > 0 {
				return v
			}
		}
		return 0
	}
	last := func(minute []float64) float64 { return minute[len(minute)-1] }
	return []view.Tile{
		tile("orders", "Orders", "per minute", sum), tile("failures", "Failed attempts", "per minute", sum),
		tile("decision", "Time to a decision", "ms", newest), tile("backlog", "Events that wait", "events", last),
	}
}

package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"troupe/events"
	"troupe/platform/ascii"
)

const (
	pollEvery   = 3 * time.Second // services are asked at most so often, and only while an admin looks
	pollTimeout = 800 * time.Millisecond
	pollAnswer  = 2 << 20 // bytes of metrics that are read
)

// polled is what a service has answered.
type polled struct {
	state    string // up, impaired, down
	reason   string
	since    time.Time // when the state was first seen
	degraded bool      // it works, but not all of it: the broker is away
	queue    float64   // messages for it that are not acknowledged
	outbox   float64   // events that wait to be published
	oldest   float64   // seconds that the oldest of them has waited
	parked   float64   // events that wait for another attempt
	dead     float64   // dead letters
	first    time.Time // when dead letters were first seen
}

// polledAll is what all services have answered.
type polledAll struct {
	services map[string]polled
	circuits []circuit // of the gateway, those that are not closed
	answered bool      // the gateway has answered about its circuits
}

// poll asks the services how they are, while admins look at the overview. There is no
// background loop: without a reader no service is asked. All readers share the answers.
type poll struct {
	mu   sync.Mutex
	at   time.Time
	last polledAll
}

// polledServices are the services of the picture. The console is not one of them.
var polledServices = []string{"gateway", "users", "orders", "inventory", "payments", "notifications"}

// now returns what the services have answered, not older than pollEvery. One that does not
// answer is down. The gateway is asked with the authorization of the admin who looks.
func (p *poll) now(ctx context.Context, c *console, authorization string) polledAll {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := c.Now()
	if p.last.services != nil && now.Sub(p.at) < pollEvery {
		return p.last
	}
	// Others see the answers too, whether or not the client of this request waits for them.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pollTimeout)
	defer cancel()
	answers := make([]polled, len(polledServices))
	var next polledAll
	var all sync.WaitGroup
	for i, name := range polledServices {
		all.Go(func() { answers[i] = c.askHealth(ctx, name) })
	}
	all.Go(func() { next.circuits, next.answered = c.gatewayCircuits(ctx, authorization) })
	all.Go(func() { c.fetchJournal(ctx, authorization) })
	all.Wait()
	next.services = make(map[string]polled, len(answers))
	for i, name := range polledServices {
		a := answers[i]
		a.since, a.first = now, now
		before, ok := p.last.services[name]
		if ok && before.state == a.state {
			a.since = before.since
		}
		if ok && before.dead > 0 {
			a.first = before.first
		}
		next.services[name] = a
	}
	p.at, p.last = now, next
	return next
}

// gatewayCircuits asks the gateway for its circuit breakers, and returns those that are not closed.
func (c *console) gatewayCircuits(ctx context.Context, authorization string) (open []circuit, answered bool) {
	var list struct {
		Items []struct {
			Upstream, State string
			Since           time.Time
		}
	}
	if err := c.getPeer(ctx, "gateway", "/admin/breakers", authorization, &list); err != nil {
		return nil, false
	}
	for _, b := range list.Items {
		if b.State != "CLOSED" {
			open = append(open, circuit{"gateway", b.Upstream, ascii.Lower(b.State), b.Since})
		}
	}
	return open, true
}

// askHealth asks a service for its readiness and its metrics. Neither is in its access log
// or its traces.
func (c *console) askHealth(ctx context.Context, name string) polled {
	status, ready, err := c.fetch(ctx, name, "/readyz")
	switch {
	case errors.Is(err, errNoAddress):
		return polled{state: "unknown", reason: "its address is not known"}
	case err != nil:
		return polled{state: "down", reason: "it does not answer"}
	}
	p := polled{state: "up"}
	var answer struct{ Status, Reason, Detail string }
	_ = json.Unmarshal([]byte(ready), &answer) // without an answer in JSON the status alone counts
	switch {
	case status != http.StatusOK:
		p.state, p.reason = "impaired", cmp.Or(answer.Detail, "it is not ready")
	case answer.Status == "degraded":
		p.state, p.reason, p.degraded = "impaired", answer.Reason, true
	}
	if status, body, err := c.fetch(ctx, name, "/metrics"); err == nil && status == http.StatusOK {
		p.readMetrics(body)
	}
	return p
}

var errNoAddress = errors.New("the address is not known")

func (c *console) fetch(ctx context.Context, service, path string) (int, string, error) {
	base := c.Peers[service]
	if base == "" {
		return 0, "", errNoAddress
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	response, err := c.Transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, pollAnswer))
	return response.StatusCode, string(body), err
}

// readMetrics reads the numbers of the queue, the outbox and the inbox from metrics in Prometheus' text
// format.
func (p *polled) readMetrics(text string) {
	targets := map[string]*float64{
		"troupe_bus_queue_messages":                 &p.queue,
		"troupe_outbox_pending_events":              &p.outbox,
		"troupe_outbox_oldest_event_age_seconds":    &p.oldest,
		`troupe_inbox_parked_events{state="retry"}`: &p.parked,
		`troupe_inbox_parked_events{state="dead"}`:  &p.dead,
	}
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		target := targets[name]
		if !found || target == nil {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			*target = n
		}
	}
}

// consumes reports whether the service consumes any event.
func consumes(service string) bool {
	for _, consumers := range events.Topology {
		if slices.Contains(consumers, service) {
			return true
		}
	}
	return false
}

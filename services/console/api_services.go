package console

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"troupe/events"
	"troupe/platform/ascii"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
	"troupe/services/console/internal/roster"
	"troupe/services/console/internal/view"
)

// servicesRequest is a request that is answered with the help of the services, by the admin.s
// own token.
type servicesRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
}

type servicesResponse struct{ Body view.Services }

// services makes the page of the services from what arrives and from what they answer.
type services struct {
	*console
	roster *roster.Roster
}

func (c *console) registerServices(api *httpapi.API) {
	s := &services{c, roster.New(c.Now)}
	c.observe(s.roster.Observe)
	httpapi.Get(api, "/console/api/services", s.list, httpapi.RequireRole(auth.Admin),
		httpapi.Summary("List the services with their instances, probes, consumers, circuit breakers and settings"))
}

// list asks all services at the same time.
func (s *services) list(ctx context.Context, r *servicesRequest) (*servicesResponse, error) {
	list := view.Services{Items: make([]view.Service, len(polledServices))}
	eachPeer(polledServices, func(name string) {
		list.Items[slices.Index(polledServices, name)] = s.service(ctx, name, r.Authorization)
	})
	return &servicesResponse{list}, nil
}

// service returns what is known of a service. If it does not answer, that is its state, and
// not an error.
func (s *services) service(ctx context.Context, name, authorization string) view.Service {
	health := s.askHealth(ctx, name)
	v := view.Service{
		Node:      view.Node{Name: name, State: health.state, Reason: health.reason, Queue: int(health.queue), Parked: int(health.parked), Outbox: int(health.outbox)},
		URL:       s.Peers[name],
		Instances: s.roster.Instances(name),
		Probes:    []view.Probe{s.probe(ctx, name, "/livez"), s.probe(ctx, name, "/readyz")},
		Consumes:  s.roster.Consumers(name, consumedBy(name)),
		Breakers:  s.breakers(ctx, name, authorization),
		Settings:  s.settingsOf(ctx, name, authorization),
	}
	for _, c := range v.Consumes {
		v.Rate += c.Rate
	}
	for _, b := range v.Breakers {
		if b.State != "closed" {
			v.Node.Breakers = append(v.Node.Breakers, b.Dependency+": "+b.State)
		}
	}
	return v
}

// consumedBy returns the types of events that a service consumes, sorted.
func consumedBy(service string) []string {
	types := []string{}
	for eventType, consumers := range events.Topology {
		if slices.Contains(consumers, service) {
			types = append(types, eventType)
		}
	}
	slices.Sort(types)
	return types
}

// probe asks a service one of the questions that an orchestrator asks.
func (s *services) probe(ctx context.Context, service, path string) view.Probe {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	p := view.Probe{Name: path}
	status, body, err := s.fetch(ctx, service, path)
	if err != nil {
		p.Text = err.Error()
		return p
	}
	p.OK = status == http.StatusOK
	var answer struct{ Detail, Reason string }
	_ = json.Unmarshal([]byte(body), &answer) // without an answer in JSON the status alone counts
	if p.Text = cmp.Or(answer.Detail, answer.Reason); p.Text == "" && !p.OK {
		p.Text = http.StatusText(status)
	}
	return p
}

// breakers returns the circuit breakers of a service: those of the gateway, which it is
// asked for, and those of others, which the journals report when they change.
func (s *services) breakers(ctx context.Context, service, authorization string) []view.BreakerState {
	if service != "gateway" {
		return s.roster.Breakers(service)
	}
	var list struct {
		Items []struct {
			Upstream string `json:"upstream"`
			State    string `json:"state"`
			History  []struct {
				From   string         `json:"from"`
				To     string         `json:"to"`
				Reason string         `json:"reason"`
				At     timestamp.Time `json:"at"`
			} `json:"history"`
		} `json:"items"`
	}
	if err := s.getPeer(ctx, "gateway", "/admin/breakers", authorization, &list); err != nil {
		return s.roster.Breakers(service)
	}
	all := make([]view.BreakerState, len(list.Items))
	for i, b := range list.Items {
		all[i] = view.BreakerState{Dependency: b.Upstream, State: ascii.Lower(b.State), History: []view.Transition{}}
		for _, h := range b.History {
			all[i].History = append(all[i].History, view.Transition{At: h.At.Time, From: ascii.Lower(h.From), To: ascii.Lower(h.To), Reason: h.Reason})
		}
	}
	return all
}

// settingsOf returns the settings that a service has in use, without those that are empty;
// the service itself hides what is secret.
func (s *services) settingsOf(ctx context.Context, service, authorization string) map[string]string {
	var answer struct {
		Settings map[string]string `json:"settings"`
	}
	if err := s.getPeer(ctx, service, "/admin/settings", authorization, &answer); err != nil {
		return map[string]string{}
	}
	for name, value := range answer.Settings {
		if strings.TrimSpace(value) == "" {
			delete(answer.Settings, name)
		}
	}
	return answer.Settings
}

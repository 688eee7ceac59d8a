package rabbit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
)

const whereDeclared = " is missing: a service declares it when it starts, or import deploy/rabbitmq/definitions.json"

// Check returns a sentence for each exchange and queue that is not as the topology needs
// it. It changes nothing.
func Check(url string, topology bus.Topology) (differences []string, err error) {
	err = withBroker(url, func(m *mover) error {
		for _, e := range exchanges {
			difference, err := m.checkExchange(e.name, e.kind)
			if err != nil {
				return err
			}
			differences = append(differences, difference...)
		}
		for _, q := range queueSpecs(topology) {
			difference, err := m.checkQueue(q)
			if err != nil {
				return err
			}
			differences = append(differences, difference...)
		}
		return nil
	})
	slices.Sort(differences)
	return differences, err
}

func (m *mover) checkExchange(name, kind string) (differences []string, err error) {
	err = m.do(checkExchange(name, kind))
	if hasCode(err, amqp.NotFound) {
		return []string{"exchange " + name + whereDeclared}, nil
	}
	if err != nil {
		return nil, err
	}
	err = m.do(declareExchange(name, kind))
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.PreconditionFailed {
		return []string{"exchange " + name + " is another one: stop the services, delete it, and start them or import deploy/rabbitmq/definitions.json: " + e.Reason}, nil
	}
	return nil, err
}

func (m *mover) checkQueue(q queueSpec) (differences []string, err error) {
	there, err := m.exists(q.name)
	if err != nil {
		return nil, err
	}
	if !there {
		differences = append(differences, "queue "+q.name+whereDeclared)
	}
	if difference, err := m.compare(q); err != nil {
		return nil, err
	} else if difference != "" {
		differences = append(differences, "queue "+q.name+" has other arguments: run 'troupe queues move': "+difference)
	}
	interrupted, err := m.exists(q.name + aside)
	if err != nil {
		return nil, err
	}
	if interrupted {
		differences = append(differences, "queue "+q.name+aside+" is left of a move that was interrupted: run 'troupe queues move' again")
	}
	return differences, nil
}

// harmful lists what a policy can do to a queue of events.
var harmful = map[string]string{
	"message-ttl":      "events that wait longer than that leave the queue, and become dead letters",
	"expires":          "the queue is deleted with its events when its service is down for that long",
	"max-length":       "a queue that is full refuses events, which then wait in the outboxes",
	"max-length-bytes": "a queue that is full refuses events, which then wait in the outboxes",
}

// policy is a policy of a vhost, as the management API shows it.
type policy struct {
	Name       string         `json:"name"`
	Pattern    string         `json:"pattern"`
	ApplyTo    string         `json:"apply-to"`
	Definition map[string]any `json:"definition"`
}

// CheckPolicies returns a sentence for each policy that can take events from the queues, even if one of
// a higher priority hides it. Only the broker's management API shows policies: it is asked at this address, such as
// http://user:password@host:15672. url names the vhost.
func CheckPolicies(ctx context.Context, management, url string, topology bus.Topology) (differences []string, err error) {
	if !validURL(url) {
		return nil, errInvalidURL
	}
	at, err := amqp.ParseURI(url)
	if err != nil {
		return nil, errInvalidURL
	}
	for _, kind := range []string{"policies", "operator-policies"} {
		all, err := policies(ctx, management, kind, at.Vhost)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			differences = append(differences, p.harms(topology)...)
		}
	}
	return differences, nil
}

// harms returns a sentence for each setting of the policy that can take events from a queue.
func (p policy) harms(topology bus.Topology) (differences []string) {
	pattern, err := regexp.Compile(p.Pattern)
	if p.ApplyTo == "exchanges" || p.ApplyTo == "streams" {
		return nil
	}
	for _, q := range queueSpecs(topology) {
		if err == nil && !pattern.MatchString(q.name) { // one that only RabbitMQ understands may match
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(p.Definition)) {
			if harm, ok := harmful[key]; ok {
				differences = append(differences, fmt.Sprintf("policy %s sets %s = %v for queue %s: %s", p.Name, key, p.Definition[key], q.name, harm))
			}
		}
	}
	return differences
}

var errManagement = errors.New("the address of the management API is not of the form http://user:password@host:15672")

// policies returns the policies of a vhost.
func policies(ctx context.Context, management, kind, vhost string) (all []policy, err error) {
	if at, err := url.Parse(management); err != nil || at.Host == "" {
		return nil, errManagement
	}
	path := strings.TrimSuffix(management, "/") + "/api/" + kind + "/" + url.PathEscape(vhost)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, errManagement
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the management API: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the management API answers %s: the user needs the tag policymaker, and the vhost must exist", response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&all); err != nil {
		return nil, fmt.Errorf("read the answer of the management API: %w", err)
	}
	return all, nil
}

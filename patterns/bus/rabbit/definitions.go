package rabbit

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
)

// Account is a user of RabbitMQ.
type Account struct {
	Name     string // of the service, whose queue the user consumes
	Password string
	// Publishes lists the types of events that the service publishes.
	Publishes []string
	// ReadsJournals is whether the service consumes the journals of all others, from a queue
	// that it declares itself.
	ReadsJournals bool
	// Administrator is a user for operators, with all rights and the management page.
	Administrator bool
}

// nothing is the pattern of a permission that permits nothing.
const nothing = "^$"

type (
	definitions struct {
		Vhosts           []vhostDefinition    `json:"vhosts"`
		Users            []userDefinition     `json:"users"`
		Permissions      []permissions        `json:"permissions"`
		TopicPermissions []topicPermissions   `json:"topic_permissions"`
		Exchanges        []exchangeDefinition `json:"exchanges"`
		Queues           []queueDefinition    `json:"queues"`
		Bindings         []bindingDefinition  `json:"bindings"`
	}
	vhostDefinition struct {
		Name string `json:"name"`
	}
	userDefinition struct {
		Name     string `json:"name"`
		Password string `json:"password"`
		Tags     string `json:"tags"`
	}
	permissions struct {
		User      string `json:"user"`
		Vhost     string `json:"vhost"`
		Configure string `json:"configure"`
		Write     string `json:"write"`
		Read      string `json:"read"`
	}
	topicPermissions struct {
		User     string `json:"user"`
		Vhost    string `json:"vhost"`
		Exchange string `json:"exchange"`
		Write    string `json:"write"`
		Read     string `json:"read"`
	}
	exchangeDefinition struct {
		Name       string     `json:"name"`
		Vhost      string     `json:"vhost"`
		Type       string     `json:"type"`
		Durable    bool       `json:"durable"`
		AutoDelete bool       `json:"auto_delete"`
		Internal   bool       `json:"internal"`
		Arguments  amqp.Table `json:"arguments"`
	}
	queueDefinition struct {
		Name       string     `json:"name"`
		Vhost      string     `json:"vhost"`
		Durable    bool       `json:"durable"`
		AutoDelete bool       `json:"auto_delete"`
		Arguments  amqp.Table `json:"arguments"`
	}
	bindingDefinition struct {
		Source          string     `json:"source"`
		Vhost           string     `json:"vhost"`
		Destination     string     `json:"destination"`
		DestinationType string     `json:"destination_type"`
		RoutingKey      string     `json:"routing_key"`
		Arguments       amqp.Table `json:"arguments"`
	}
)

// Definitions returns, in the format that RabbitMQ imports, the whole topology in this
// vhost and an account for each service with which it can do its work and nothing else:
// publish its own types of events, and consume its own queue and dead letters. It can
// declare nothing, except for the queue of the journals, so what it needs is declared here. RabbitMQ changes what already
// exists to what the definitions say, except queues, and deletes nothing.
func Definitions(vhost string, topology bus.Topology, accounts []Account) ([]byte, error) {
	d := definitions{Vhosts: []vhostDefinition{{vhost}}}
	for _, a := range accounts {
		if err := d.addAccount(vhost, topology, a); err != nil {
			return nil, err
		}
	}
	d.addTopology(vhost, topology)
	return json.MarshalIndent(d, "", "  ")
}

func (d *definitions) addAccount(vhost string, topology bus.Topology, a Account) error {
	if a.Administrator {
		d.Users = append(d.Users, userDefinition{a.Name, a.Password, "administrator"})
		d.Permissions = append(d.Permissions, permissions{a.Name, vhost, ".*", ".*", ".*"})
		return nil
	}
	keys, published := []string{probeKey}, routingKeys(topology)
	for _, eventType := range slices.Sorted(slices.Values(a.Publishes)) {
		if published[eventType] == nil {
			return fmt.Errorf("%s publishes %q: %w", a.Name, eventType, bus.ErrUnknownType)
		}
		keys = append(keys, slices.Sorted(slices.Values(published[eventType]))...)
	}
	read := nothing
	if slices.Contains(topology.Consumers(), a.Name) {
		read = oneOf(queueOf(a.Name), deadQueueOf(a.Name))
	}
	d.Users = append(d.Users, userDefinition{a.Name, a.Password, ""})
	configure, write := nothing, oneOf(exchange, publicExchange, journalExchange)
	if a.ReadsJournals {
		configure, write, read = oneOf(journalQueue), oneOf(exchange, publicExchange, journalExchange, journalQueue), oneOf(journalQueue, journalExchange)
	}
	d.Permissions = append(d.Permissions, permissions{a.Name, vhost, configure, write, read})
	d.TopicPermissions = append(d.TopicPermissions, topicPermissions{a.Name, vhost, exchange, oneOf(keys...), nothing})
	public := nothing
	if len(a.Publishes) > 0 {
		public = oneOf(slices.Sorted(slices.Values(a.Publishes))...)
	}
	d.TopicPermissions = append(d.TopicPermissions, topicPermissions{a.Name, vhost, publicExchange, public, nothing})
	return nil
}

// oneOf returns a pattern that matches exactly these texts.
func oneOf(texts ...string) string {
	escaped := make([]string, len(texts))
	for i, text := range texts {
		escaped[i] = regexp.QuoteMeta(text)
	}
	return "^(" + strings.Join(escaped, "|") + ")$"
}

// addTopology adds what declarations declares.
func (d *definitions) addTopology(vhost string, topology bus.Topology) {
	d.Exchanges = append(d.Exchanges, exchangeDefinition{
		Name: publicExchange, Vhost: vhost, Type: amqp.ExchangeTopic, Durable: true, Arguments: amqp.Table{},
	}, exchangeDefinition{
		Name: journalExchange, Vhost: vhost, Type: amqp.ExchangeFanout, Durable: true, Arguments: amqp.Table{},
	})
	for _, e := range exchanges {
		d.Exchanges = append(d.Exchanges, exchangeDefinition{Name: e.name, Vhost: vhost, Type: e.kind, Durable: true, Arguments: amqp.Table{}})
	}
	slices.SortFunc(d.Exchanges, func(a, b exchangeDefinition) int { return strings.Compare(a.Name, b.Name) })
	for _, service := range topology.Consumers() {
		d.Queues = append(d.Queues,
			queueDefinition{Name: deadQueueOf(service), Vhost: vhost, Durable: true, Arguments: deadQueueArguments()},
			queueDefinition{Name: queueOf(service), Vhost: vhost, Durable: true, Arguments: queueArguments(service)})
		d.addBinding(vhost, deadExchange, service, deadQueueOf(service))
	}
	for _, eventType := range slices.Sorted(maps.Keys(topology)) {
		for _, service := range topology[eventType] {
			d.addBinding(vhost, exchange, routingKey(eventType, service), queueOf(service))
		}
	}
}

func (d *definitions) addBinding(vhost, source, key, queue string) {
	d.Bindings = append(d.Bindings, bindingDefinition{
		Source: source, Vhost: vhost, Destination: queue, DestinationType: "queue", RoutingKey: key, Arguments: amqp.Table{},
	})
}

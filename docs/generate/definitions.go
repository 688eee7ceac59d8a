package main

import (
	"strings"

	"troupe/events"
	"troupe/patterns/bus/rabbit"
	"troupe/services"
)

// definitionsDocument returns what RabbitMQ imports at its start. In place of each
// password is the name of the variable that holds it; deploy/rabbitmq/definitions.sh
// inserts them.
func definitionsDocument() ([]byte, error) {
	docs, err := readEvents()
	if err != nil {
		return nil, err
	}
	published := map[string][]string{}
	for _, d := range docs {
		for _, publisher := range d.publishers {
			published[publisher] = append(published[publisher], d.eventType)
		}
	}
	accounts := []rabbit.Account{{Name: "troupe", Password: "$RABBITMQ_PASSWORD", Administrator: true}} //nolint:gosec // the name of a variable
	for _, s := range services.All {
		if s.Migrations == nil {
			continue
		}
		accounts = append(accounts, rabbit.Account{
			Name: s.Name, Password: "$" + strings.ToUpper(s.Name) + "_RABBITMQ_PASSWORD", Publishes: published[s.Name], ReadsJournals: s.ReadsJournals,
		})
	}
	document, err := rabbit.Definitions("/", events.Topology, accounts)
	return append(document, '\n'), err
}

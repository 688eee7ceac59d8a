package gateway

import (
	"troupe/events"
	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/catalogue"
)

// describeEvents adds the page about the events, their AsyncAPI document, and the schema of
// each, to which dataschema of an event leads.
func describeEvents(api *httpapi.API) {
	api.AddDocument("events", "Events", "text/html", catalogue.Page)
	api.AddDocument("events/asyncapi.json", "", "application/json", events.AsyncAPI)
	for _, eventType := range events.Types() {
		schema, err := events.Schema(eventType)
		if err != nil {
			panic(err) // cannot happen: a test reads the schema of every type
		}
		api.AddDocument("events/"+eventType+".json", "", "application/schema+json", schema)
	}
}

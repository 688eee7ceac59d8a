package openapi

import "reflect"

// shared has the components of a document that keep their names, as "schemas/Money".
type shared map[string]bool

// sharedSchemas are the schemas that all services use alike, so that clients need one type
// for each, and the service whose document has the one that counts. A schema comes after
// those that it refers to.
var sharedSchemas = []struct{ name, service string }{
	{"Money", "orders"}, {"ProblemField", gateway}, {"Problem", gateway},
}

// sharedIn returns the shared schemas of a document. One that another system defines in its
// own way is not shared.
func sharedIn(part, own Document, parts map[string]Document) shared {
	same := shared{}
	for _, s := range sharedSchemas {
		counts := own
		if s.service != gateway {
			counts = parts[s.service]
		}
		schema := schemaIn(part, s.name)
		same["schemas/"+s.name] = schema != nil && reflect.DeepEqual(schema, schemaIn(counts, s.name))
	}
	same["schemas/Problem"] = same["schemas/Problem"] && same["schemas/ProblemField"]
	return same
}

func schemaIn(d Document, name string) any {
	components, _ := d["components"].(Document)
	schemas, _ := components["schemas"].(Document)
	return schemas[name]
}

// gatewayProblems are the answers of the gateway for a service that does not answer.
var gatewayProblems = map[string]struct{ name, description string }{
	"502": {"BadGateway", "The service could not be reached, or broke off its answer"},
	"504": {"GatewayTimeout", "The service did not answer in time"},
}

// addGatewayProblems adds to an operation what the gateway answers in the place of a service.
func addGatewayProblems(operation Document) {
	responses := member(operation, "responses")
	for status, problem := range gatewayProblems {
		if responses[status] == nil {
			responses[status] = Document{"$ref": "#/components/responses/" + problem.name}
		}
	}
}

func addProblemResponses(components Document) {
	for _, problem := range gatewayProblems {
		member(components, "responses")[problem.name] = Document{
			"description": problem.description,
			"content":     Document{"application/problem+json": Document{"schema": Document{"$ref": "#/components/schemas/Problem"}}},
		}
	}
}

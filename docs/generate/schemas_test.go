package main

import (
	"encoding/json"
	"go/ast"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// published is a schema on which consumers and publishers rely.
const published = `{"type":"object",
	"properties":{
		"order_id":{"type":"string"},
		"at":{"type":"string","format":"date-time"},
		"total":{"$ref":"#/$defs/Money"},
		"lines":{"type":"array","items":{"$ref":"#/$defs/Line"}},
		"reason":{"type":"string","x-extensible-enum":["deadline","customer"]},
		"note":{"type":"string"}},
	"required":["order_id","at","total","lines","reason"],
	"$defs":{
		"Money":{"type":"object","properties":{"amount":{"type":"integer"}},"required":["amount"]},
		"Line":{"type":"object","properties":{"sku":{"type":"string"},"quantity":{"type":"integer","minimum":1}},"required":["sku","quantity"]}}}`

// changed returns the published schema after a change of its members.
func changed(t *testing.T, change func(properties, whole map[string]any)) []byte {
	t.Helper()
	var whole map[string]any
	require.NoError(t, json.Unmarshal([]byte(published), &whole))
	change(whole["properties"].(map[string]any), whole)
	fresh, err := json.Marshal(whole)
	require.NoError(t, err)
	return fresh
}

func defined(whole map[string]any, name string) map[string]any {
	return whole["$defs"].(map[string]any)[name].(map[string]any)
}

func TestAPayloadMayGainWhatConsumersCanDoWithout(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(properties, whole map[string]any){
		"nothing":            func(_, _ map[string]any) {},
		"an optional field":  func(p, _ map[string]any) { p["channel"] = map[string]any{"type": "string"} },
		"a list of the kind": func(p, _ map[string]any) { p["more"] = p["lines"] },
		"a further reason": func(p, _ map[string]any) {
			p["reason"].(map[string]any)["x-extensible-enum"] = []string{"admin", "deadline", "customer"}
		},
		"another description": func(p, _ map[string]any) { p["note"].(map[string]any)["description"] = "In the customer's words." },
		"an optional field of a line": func(_, w map[string]any) {
			defined(w, "Line")["properties"].(map[string]any)["weight"] = map[string]any{"type": "integer"}
		},
	} {
		require.NoError(t, breakage("order.paid.v1", []byte(published), changed(t, change)), name)
	}
}

func TestAChangeThatBreaksAConsumerIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(properties, whole map[string]any)
		want   string
	}{
		"a field is gone":      {func(p, _ map[string]any) { delete(p, "note") }, "note would be gone"},
		"a field is renamed":   {func(p, _ map[string]any) { p["id"] = p["order_id"]; delete(p, "order_id") }, "order_id would be gone"},
		"a text is a number":   {func(p, _ map[string]any) { p["note"] = map[string]any{"type": "integer"} }, "note was string and would be integer"},
		"money is a number":    {func(p, _ map[string]any) { p["total"] = map[string]any{"type": "integer"} }, "total was Money and would be integer"},
		"another list":         {func(p, _ map[string]any) { p["lines"].(map[string]any)["items"] = map[string]any{"type": "string"} }, "lines[] was Line and would be string"},
		"another format":       {func(p, _ map[string]any) { p["at"].(map[string]any)["format"] = "date" }, "at would have another format"},
		"a reason is gone":     {func(p, _ map[string]any) { p["reason"].(map[string]any)["x-extensible-enum"] = []string{"deadline"} }, `reason would lose the value "customer"`},
		"a new required field": {func(_, w map[string]any) { w["required"] = append(w["required"].([]any), "channel") }, "channel would be required"},
		"a field may be absent": {
			func(_, w map[string]any) { w["required"] = []string{"at", "total", "lines", "reason"} },
			"order_id was always there and would be optional",
		},
		"a stricter line": {func(_, w map[string]any) {
			defined(w, "Line")["properties"].(map[string]any)["quantity"].(map[string]any)["minimum"] = 2
		}, "lines[].quantity would have another format, pattern or minimum"},
		"a part of money is gone": {func(_, w map[string]any) { defined(w, "Money")["properties"] = map[string]any{} }, "total.amount would be gone"},
	} {
		err := breakage("order.paid.v1", []byte(published), changed(t, test.change))
		require.ErrorContains(t, err, test.want, name)
		require.ErrorContains(t, err, "add order.paid.v2 beside it", name)
	}
	require.ErrorContains(t, breakage("payment.voided.v11", []byte(published), []byte(`{}`)), "add payment.voided.v12")
}

// The schemas of the events in this tree differ from what is published by additions at most,
// and are those that are committed.
func TestTheEventsOfNowAreCompatibleWithTheirSchemas(t *testing.T) {
	t.Chdir("../..")
	documents, err := schemaDocuments()
	require.NoError(t, err)
	require.NotEmpty(t, documents)
	for path, document := range documents {
		committed, err := os.ReadFile(path)
		require.NoError(t, err, "run: make generate")
		require.Equal(t, string(committed), string(document), "%s is stale: run: make generate", path)
	}
}

func TestAPayloadHasOnlyWhatASchemaDescribes(t *testing.T) {
	t.Parallel()
	w := schemaWriter{}
	_, err := w.properties([]fieldDoc{{name: "ratio", comment: "a part of the whole", expr: &ast.Ident{Name: "float64"}}})
	require.ErrorContains(t, err, "ratio: the type float64 is not a struct of package events")
	_, err = w.properties([]fieldDoc{{name: "extra", comment: "anything", expr: &ast.MapType{}}})
	require.ErrorContains(t, err, "use string, int64, bool, Time")
	_, err = w.properties([]fieldDoc{{name: "colour", expr: &ast.Ident{Name: "string"}}})
	require.ErrorIs(t, err, errNoMeaning)
}

// The page lists a consumer as one that never gives up if its handler is registered so.
func TestTheCompensationsAreThoseOfTheServices(t *testing.T) {
	t.Chdir("../..")
	require.NoError(t, checkCompensations())
}

package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files of events that are new or have gained a field")

// The code reads the bytes that earlier versions wrote, and writes those of the latest
// golden file. A golden file is never edited: when a payload gains a field, -update writes
// the next one beside it. A change that makes one unreadable needs a new major version.
func TestPayloadsMatchTheirGoldenFiles(t *testing.T) {
	t.Parallel()
	for _, example := range examples {
		t.Run(example.EventType(), func(t *testing.T) {
			t.Parallel()
			fresh, err := json.MarshalIndent(example, "", "  ")
			require.NoError(t, err)
			files := goldenFiles(t, example.EventType())
			if *update && (len(files) == 0 || !sameJSON(t, files[len(files)-1], fresh)) {
				next := nextGolden(example.EventType(), len(files))
				require.NoError(t, os.WriteFile(next, append(fresh, '\n'), 0o644))
				files = append(files, next)
			}
			require.NotEmpty(t, files, "there is no golden file yet: run: go test ./events -update")
			for _, file := range files {
				requireReadable(t, file, example)
			}
			newest, err := os.ReadFile(files[len(files)-1])
			require.NoError(t, err)
			require.JSONEq(t, string(newest), string(fresh), "the payload has changed: if it has gained an optional field, run: go test ./events -update")
		})
	}
}

// goldenFiles returns the golden files of an event, oldest first: NAME.json, NAME_2.json
// and so on.
func goldenFiles(t *testing.T, eventType string) (files []string) {
	t.Helper()
	for {
		file := nextGolden(eventType, len(files))
		if _, err := os.Stat(file); err != nil {
			all, err := filepath.Glob(filepath.Join("testdata", eventType+"*.json"))
			require.NoError(t, err)
			require.Len(t, all, len(files), "the golden files of %s have numbers without a gap, from _2 on", eventType)
			return files
		}
		files = append(files, file)
	}
}

// nextGolden returns the path of the golden file that follows n others.
func nextGolden(eventType string, n int) string {
	name := eventType
	if n > 0 {
		name += "_" + strconv.Itoa(n+1)
	}
	return filepath.Join("testdata", name+".json")
}

func sameJSON(t *testing.T, file string, fresh []byte) bool {
	t.Helper()
	golden, err := os.ReadFile(file)
	require.NoError(t, err)
	var a, b any
	require.NoError(t, json.Unmarshal(golden, &a))
	require.NoError(t, json.Unmarshal(fresh, &b))
	return reflect.DeepEqual(a, b)
}

// requireReadable fails if the type of the example does not have a place for each value of
// a golden file.
func requireReadable(t *testing.T, file string, example payload) {
	t.Helper()
	const remedy = "%s: events like this one are in queues, so they must remain readable: leave the type as it was, and add the next major version beside it"
	golden, err := os.ReadFile(file)
	require.NoError(t, err)
	read := reflect.New(reflect.TypeOf(example))
	decoder := json.NewDecoder(bytes.NewReader(golden))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(read.Interface()), remedy, file)
	written, err := json.Marshal(read.Interface())
	require.NoError(t, err)
	var before, after any
	require.NoError(t, json.Unmarshal(golden, &before))
	require.NoError(t, json.Unmarshal(written, &after))
	require.True(t, contains(after, before), remedy, file)
}

// contains reports whether a JSON value has all that part has. Times are equal in any of
// their spellings.
func contains(whole, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		whole, ok := whole.(map[string]any)
		for name, value := range part {
			ok = ok && contains(whole[name], value)
		}
		return ok
	case []any:
		whole, ok := whole.([]any)
		ok = ok && len(whole) == len(part)
		for i := range part {
			ok = ok && contains(whole[i], part[i])
		}
		return ok
	case string:
		if at, err := time.Parse(time.RFC3339, part); err == nil {
			text, _ := whole.(string)
			read, err := time.Parse(time.RFC3339, text)
			return err == nil && read.Equal(at)
		}
	}
	return whole == part
}

// What was published conforms to the schema of now, so that a checked way in takes what an
// earlier publisher sends.
func TestEveryGoldenFileConformsToItsSchema(t *testing.T) {
	t.Parallel()
	for _, example := range examples {
		document, err := Schema(example.EventType())
		require.NoError(t, err, "run: make generate")
		schema := compile(t, document)
		for _, file := range goldenFiles(t, example.EventType()) {
			golden, err := os.Open(file)
			require.NoError(t, err)
			value, err := jsonschema.UnmarshalJSON(golden)
			require.NoError(t, errors.Join(err, golden.Close()))
			require.NoError(t, schema.Validate(value), file)
		}
	}
	_, err := Schema("../topology")
	require.ErrorContains(t, err, `no event of the type "../topology"`)
}

func compile(t *testing.T, document []byte) *jsonschema.Schema {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("event.json", parsed))
	schema, err := c.Compile("event.json")
	require.NoError(t, err)
	return schema
}

func TestASchemaRefusesWhatNoPublisherSends(t *testing.T) {
	t.Parallel()
	document, err := Schema("order.created.v1")
	require.NoError(t, err)
	schema := compile(t, document)
	golden, err := os.ReadFile(filepath.Join("testdata", "order.created.v1.json"))
	require.NoError(t, err)
	for name, change := range map[string][2]string{
		"an amount that is a text":         {`"amount": 2598`, `"amount": "25.98"`},
		"a quantity of zero":               {`"quantity": 2`, `"quantity": 0`},
		"a currency that is a sign":        {`"currency": "EUR"`, `"currency": "€"`},
		"an order without an id":           {`"order_id"`, `"id"`},
		"a single line instead of a list":  {`"lines": [`, `"lines": "one", "other": [`},
		"an amount with a fraction":        {`"amount": 1299`, `"amount": 1299.5`},
		"a line without the product's sku": {`"sku"`, `"product"`},
	} {
		changed := strings.Replace(string(golden), change[0], change[1], 1)
		require.NotEqual(t, string(golden), changed, name)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(changed))
		require.NoError(t, err)
		require.Error(t, schema.Validate(value), name)
	}
}

package test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/test/cluster"
)

// python returns Python 3. Without it the test is skipped, but not in CI.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("python3 is not installed: skipping the examples in Python")
	}
	require.NoError(t, err)
	return path
}

// connectClient creates a client of a service's events and returns its key.
func (s *system) connectClient(t *testing.T, service, name string, reads, publishes []string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "reads": reads, "publishes": publishes})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL("gateway")+"/events/"+service+"/clients", strings.NewReader(string(body)))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.admin.Token())
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 201, response.StatusCode, "%s", answer)
	var client struct{ Key string }
	require.NoError(t, json.Unmarshal(answer, &client))
	return client.Key
}

// consumer starts the example that consumes, and returns its lines.
func consumer(t *testing.T, s *system, service, key, cursor string) (lines *bufio.Scanner, stop func()) {
	t.Helper()
	command := exec.Command(python(t), "../examples/python/consume.py", s.URL("gateway"), service, key, cursor)
	command.Stderr = t.Output()
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	stop = func() {
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()
	}
	t.Cleanup(stop)
	return bufio.NewScanner(out), stop
}

// A program in Python publishes a price through the gateway, with no RabbitMQ. The catalogue
// of orders has it, and another program in Python reads it, in each shape.
func TestProgramsOutsideInPythonPublishAndConsume(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]cluster.Kind{"one process": cluster.InTest, "a process for each service": cluster.ProcessPerService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := program()
			require.NoError(t, err)
			config := cluster.Config{Kind: kind, Program: binary, Settings: []string{"EVENTS_PUBLIC=true", "LOG_LEVEL=error"}}
			if kind == cluster.InTest {
				config.Program = ""
			}
			s := startSystem(t, config)
			reads := s.connectClient(t, "inventory", "reader", []string{"product.changed.v1"}, nil)
			erp := s.connectClient(t, "inventory", "erp", nil, []string{"product.changed.v1"})
			cursor := filepath.Join(t.TempDir(), "cursor")

			lines, stop := consumer(t, s, "inventory", reads, cursor)
			for _, id := range []string{"e1", "e1", "e2"} {
				publishFromPython(t, s, erp, `{"id": "`+id+`", "type": "product.changed.v1", "data": {"sku": "outside-`+id+`", "name": "Lamp",
					"price": {"amount": 1299, "currency": "EUR"}, "active": true, "version": 1}}`, "")
			}
			require.Equal(t, []string{"outside-e1", "outside-e2"}, skusUntil(t, lines, "outside-e2"))
			for _, id := range []string{"e3", "e4"} {
				publishFromPython(t, s, erp, `{"id": "`+id+`", "type": "product.changed.v1", "data": {"sku": "outside-`+id+`", "name": "Lamp",
					"price": {"amount": 1299, "currency": "EUR"}, "active": true, "version": 1}}`, "")
				if id == "e3" { // it comes in a page of its own, so the cursor after e2 is stored
					require.Equal(t, []string{"outside-e3"}, skusUntil(t, lines, "outside-e3"))
					stop()
				}
			}
			lines, _ = consumer(t, s, "inventory", reads, cursor)
			skus := skusUntil(t, lines, "outside-e4")
			require.Contains(t, [][]string{{"outside-e4"}, {"outside-e3", "outside-e4"}}, skus, "it continues where it was")
			publishFromPython(t, s, erp, `{"id": "e5", "type": "product.changed.v1", "data": {"sku": 7}}`, "body.data.sku")
		})
	}
}

// A stream of lines needs no more than curl and a line reader, and continues where it was.
func TestAProgramOutsideReadsLinesOfJSON(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.InTest, Settings: []string{"EVENTS_PUBLIC=true"}})
	key := s.connectClient(t, "inventory", "reader", []string{"product.changed.v1"}, nil)
	var first, second struct {
		ID, Event string
		Data      struct {
			Type string
			Data struct{ SKU string }
		}
	}
	lines := readLines(t, s, key, "0")
	lines(&first)
	lines(&second)
	require.Equal(t, "event", first.Event)
	require.Equal(t, "product.changed.v1", first.Data.Type)
	require.NotEmpty(t, first.Data.Data.SKU)
	again := second
	readLines(t, s, key, first.ID)(&again)
	require.Equal(t, second, again)
}

// readLines opens the stream of inventory's events after a cursor, and returns what reads its
// next line.
func readLines(t *testing.T, s *system, key, after string) (next func(line any)) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("gateway")+"/events/inventory/stream?after="+after, nil)
	require.NoError(t, err)
	request.Header.Set("X-API-Key", key)
	request.Header.Set("Accept", "application/x-ndjson")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() }) // it is interrupted
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, "application/x-ndjson", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	return func(line any) {
		for lines.Scan() {
			if len(lines.Bytes()) > 0 {
				require.NoError(t, json.Unmarshal(lines.Bytes(), line))
				return
			}
		}
		require.NoError(t, lines.Err())
		require.Fail(t, "the stream has ended")
	}
}

// publishFromPython runs the example that publishes. Its output must contain want, and it
// fails if want is not empty.
func publishFromPython(t *testing.T, s *system, key, event, want string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), python(t), "../examples/python/publish.py", s.URL("gateway"), "inventory", key, "erp")
	command.Stdin = strings.NewReader(event)
	output, err := command.CombinedOutput()
	require.Equal(t, want == "", err == nil, "%s", output)
	require.Contains(t, string(output), want)
}

// skusUntil returns the products outside of the catalogue that the consumer prints, up to the last.
func skusUntil(t *testing.T, lines *bufio.Scanner, last string) (skus []string) {
	t.Helper()
	for lines.Scan() {
		_, rest, _ := strings.Cut(lines.Text(), "{")
		var product struct{ SKU string }
		require.NoError(t, json.Unmarshal([]byte("{"+rest), &product), lines.Text())
		if strings.HasPrefix(product.SKU, "outside-") {
			skus = append(skus, product.SKU)
		}
		if product.SKU == last {
			return skus
		}
	}
	require.Fail(t, "the consumer has ended")
	return nil
}

// A program in Node consumes from RabbitMQ, in a queue of its own, what the services publish
// for programs outside. scripts/examples installs its client library.
func TestAProgramOutsideInNodeConsumesFromRabbitMQ(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("NODE_EXAMPLES")
	if folder == "" {
		t.Skip("NODE_EXAMPLES is not set: run scripts/examples")
	}
	broker := rabbittest.URL(t)
	binary, err := program()
	require.NoError(t, err)
	s := startSystem(t, cluster.Config{
		Kind: cluster.ProcessPerService, Program: binary, AMQP: broker, Settings: []string{"EVENTS_PUBLIC=true", "LOG_LEVEL=error"},
	})
	command := exec.Command("node", filepath.Join(folder, "consume.mjs"), broker, "product.#")
	command.Stderr = t.Output()
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()
	})
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "consuming product.#", lines.Text())
	erp := s.connectClient(t, "inventory", "erp", nil, []string{"product.changed.v1"})
	for _, id := range []string{"e1", "e2"} {
		publishFromPython(t, s, erp, `{"id": "`+id+`", "type": "product.changed.v1", "data": {"sku": "outside-`+id+`", "name": "Lamp",
			"price": {"amount": 1299, "currency": "EUR"}, "active": true, "version": 1}}`, "")
	}
	require.Equal(t, []string{"outside-e1", "outside-e2"}, skusUntil(t, lines, "outside-e2"))
}

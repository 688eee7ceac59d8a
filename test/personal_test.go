package test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/services"
	"troupe/test/cluster"
)

// buffer collects what several programs print.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Logs, spans and metrics leave the shop: they are kept elsewhere and read by many. A customer
// registers, mistypes the password, signs in, orders, gets mails, changes the password and leaves.
// None of it shows who that was, nor holds anything with which to act as them.
func TestLogsSpansAndMetricsHoldNothingSecretOrPersonal(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]cluster.Kind{"in one process": cluster.OneProcess, "distributed": cluster.Distributed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := program()
			require.NoError(t, err)
			var log buffer
			traces := newCollector(t)
			s := startSystem(t, cluster.Config{Kind: kind, Program: binary, Output: &log, Settings: []string{
				"OTEL_EXPORTER_OTLP_ENDPOINT=" + traces.url, "OTEL_BSP_SCHEDULE_DELAY=50", "LOG_LEVEL=debug", "LOG_FORMAT=json",
			}})
			s.addProduct(t, "lantern", 1299, 10)
			order, marked := s.liveAsACustomer(t)
			metrics := s.allMetrics(t)
			require.Eventually(t, func() bool { return strings.Contains(traces.received(), "send mail") }, timeout, pollInterval*10)
			require.NoError(t, s.Stop(), "so that the last lines and spans are written")
			require.Contains(t, log.String(), `"path":"/orders"`)
			require.Contains(t, log.String(), `"msg":"order paid","service":"orders","order_id":"`+order+`"`)
			require.Contains(t, metrics, "troupe_http_request_duration_seconds")
			for what, text := range map[string]string{"log": log.String(), "spans": traces.received(), "metrics": metrics} {
				for detail, value := range marked {
					require.False(t, strings.Contains(text, value), "the %s holds the customer's %s: %s", what, detail, around(text, value))
				}
			}
			require.NotContains(t, metrics, order, "an order is no label")
		})
	}
}

// around returns the part of a text around a value.
func around(text, value string) string {
	at := strings.Index(text, value)
	if at < 0 {
		return ""
	}
	return text[max(0, at-200):min(len(text), at+len(value)+50)]
}

// liveAsACustomer does what customers do, and returns the order and what nobody else may see.
func (s *system) liveAsACustomer(t *testing.T) (orderID string, marked map[string]string) {
	t.Helper()
	mark := strings.ToLower(rand.Text())
	marked = map[string]string{
		"address": "mail-" + mark + "@example.com", "name": "Name" + mark, "password": "password " + mark,
		"mistyped password": "mistyped " + mark, "next password": "changed " + mark, "street": "Street " + mark, "query": "note=" + mark,
	}
	gateway := client.New(s.URL("gateway"))
	c, err := gateway.Register(t.Context(), marked["address"], marked["password"], marked["name"])
	require.NoError(t, err)
	_, err = gateway.Login(t.Context(), marked["address"], marked["mistyped password"])
	require.Error(t, err)
	marked["access token"], marked["device token"] = c.Token(), c.DeviceToken()
	placed := s.send(t, rawRequest{
		method: "POST", path: "/orders", header: map[string]string{
			"Authorization": "Bearer " + c.Token(), "Content-Type": "application/json", "Idempotency-Key": "key-" + mark,
		},
		body: `{"items":[{"sku":"lantern","quantity":1}],"payment_method":"pm_card_visa","shipping_address":{"name":"` + marked["name"] +
			`","line1":"` + marked["street"] + `","city":"London","postal_code":"SW1Y 4JH","country":"GB"}}`,
	})
	require.Equal(t, 201, placed.status, string(placed.body))
	require.Error(t, c.Get(t.Context(), "/orders?note="+mark, nil), "there is no such parameter")
	var o client.Order
	require.NoError(t, json.Unmarshal(placed.body, &o))
	s.awaitEvent(t, c, o.ID, "order.paid.v1")
	require.Eventually(t, func() bool { return strings.Contains(s.get(t, s.URL("notifications")+"/mailbox.json"), o.ID) }, timeout, pollInterval*10)
	require.NoError(t, c.Post(t.Context(), "/users/me/password", map[string]string{
		"current_password": marked["password"], "new_password": marked["next password"],
	}, nil))
	again, err := gateway.Login(t.Context(), marked["address"], marked["next password"])
	require.NoError(t, err)
	left := s.send(t, rawRequest{
		method: "DELETE", path: "/users/me", body: `{"password":"` + marked["next password"] + `"}`,
		header: map[string]string{"Authorization": "Bearer " + again.Token(), "Content-Type": "application/json"},
	})
	require.Equal(t, 204, left.status, string(left.body))
	return o.ID, marked
}

// get returns the body of a page.
func (s *system) get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return string(body)
}

// allMetrics returns the metrics of every service.
func (s *system) allMetrics(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range services.Names() {
		all.WriteString(s.get(t, s.URL(name)+"/metrics"))
	}
	return all.String()
}

// received returns all that the collector was sent.
func (c *traceCollector) received() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(bytes.Join(c.raw, nil))
}

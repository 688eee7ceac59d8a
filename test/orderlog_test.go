package test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
)

// logLine is a line of the log.
type logLine struct {
	Level, Msg, Service, Method, Location, Reason, User string
	OrderID                                             string `json:"order_id"`
	EventID                                             string `json:"event_id"`
	TraceID                                             string `json:"trace_id"`
}

// linesWith returns the lines that hold a text, as grep does, except those of requests that only read.
func linesWith(t *testing.T, log, text string) (lines []logLine) {
	t.Helper()
	for line := range strings.Lines(log) {
		if !strings.Contains(line, text) {
			continue
		}
		var l logLine
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		if l.Method != "GET" {
			lines = append(lines, l)
		}
	}
	return lines
}

// The life of an order can be read from the log, by its id: a few lines, each with the customer,
// and those of events with their trace.
func TestTheLogShowsTheLifeOfAnOrder(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]struct{ paid, declined []string }{
		"info": {
			paid:     []string{"gateway: request", "orders: request", "orders: order confirmed", "orders: order paid"},
			declined: []string{"gateway: request", "orders: request", "orders: order cancelled payment_declined", "orders: stock of an order released"},
		},
		"warn": {},
	} {
		t.Run("LOG_LEVEL="+level, func(t *testing.T) {
			t.Parallel()
			binary, err := program()
			require.NoError(t, err)
			var log buffer
			s := startSystem(t, cluster.Config{
				Kind: cluster.OneProcess, Program: binary, Output: &log, Settings: []string{"LOG_LEVEL=" + level, "LOG_FORMAT=json"},
			})
			s.addProduct(t, "lantern", 1299, 10)
			ada := s.newCustomer(t)
			paid := s.placeAndAwait(t, ada, "pm_card_visa", "order.paid.v1")
			declined := s.placeAndAwait(t, ada, "pm_card_chargeDeclined", "stock.released.v1")
			require.NoError(t, s.Stop(), "so that the last lines are written")
			require.ElementsMatch(t, want.paid, livesIn(t, log.String(), paid))
			require.ElementsMatch(t, want.declined, livesIn(t, log.String(), declined))
		})
	}
}

// placeAndAwait places an order of a lantern, and returns it when it has come so far.
func (s *system) placeAndAwait(t *testing.T, c *client.Client, method, eventType string) client.Order {
	t.Helper()
	o, err := c.PlaceOrder(t.Context(), method, client.Item{SKU: "lantern", Quantity: 1})
	require.NoError(t, err)
	s.awaitEvent(t, c, o.ID, eventType)
	return o
}

// livesIn returns what the lines about an order mean.
func livesIn(t *testing.T, log string, o client.Order) (lives []string) {
	t.Helper()
	lines := linesWith(t, log, o.ID)
	for _, l := range lines {
		require.NotEmpty(t, l.User)
		require.Equal(t, []string{"INFO", lines[0].User}, []string{l.Level, l.User}, "%+v", l)
		if l.Msg == "request" {
			require.Equal(t, "/orders/"+o.ID, l.Location)
		} else {
			require.Equal(t, o.ID, l.OrderID)
			require.NotEmpty(t, l.EventID)
			require.NotEmpty(t, l.TraceID)
		}
		lives = append(lives, strings.TrimSpace(l.Service+": "+l.Msg+" "+l.Reason))
	}
	return lives
}

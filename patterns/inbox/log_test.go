package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// stockReserved is an event about an order.
type stockReserved struct {
	OrderID string `json:"order_id"`
}

func (stockReserved) EventType() string       { return "stock.reserved.v1" }
func (s stockReserved) CorrelationID() string { return s.OrderID }

// An operator who searches the log for an order finds why its events failed.
func TestTheLineAboutAFailureNamesTheOrder(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	i := New(Config{
		Service: "orders", DB: sqldbtest.SQLite(t, Migrations), Now: time.Now, Log: slog.New(slog.NewJSONHandler(&out, nil)),
		Handlers: []Handler{Handle(func(context.Context, sqldb.Tx, Received[stockReserved]) error { return errors.New("not yet") })},
	})
	e, err := event.New("e1", "inventory", time.Now(), stockReserved{"order-1"})
	require.NoError(t, err)
	body, err := event.Encode(e)
	require.NoError(t, err)
	require.NoError(t, i.Consume(t.Context(), []bus.Delivery{{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}}))
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "event failed and will be retried", line["msg"])
	require.Equal(t, "order-1", line["order_id"])
}

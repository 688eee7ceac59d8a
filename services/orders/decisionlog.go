package orders

import (
	"context"
	"log/slog"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
	"troupe/services/orders/internal/order"
)

// decision is a change of an order that the log has a line about.
type decision struct {
	order     *order.Order
	eventType string          // of what was published, or of the compensation that was done
	cause     *event.Envelope // nil if a request or the clock led to it
}

// decisionTexts are the texts of the lines by the type of the event. That an order was
// placed is in the access log, with its path as the location.
var decisionTexts = map[string]string{
	(events.OrderConfirmed{}).EventType():  "order confirmed",
	(events.OrderPaid{}).EventType():       "order paid",
	(events.OrderCancelled{}).EventType():  "order cancelled",
	(events.OrderShipped{}).EventType():    "order shipped",
	(events.OrderDelivered{}).EventType():  "order delivered",
	(events.StockReleased{}).EventType():   "stock of an order released",
	(events.PaymentVoided{}).EventType():   "payment of an order voided",
	(events.PaymentRefunded{}).EventType(): "payment of an order refunded",
}

// logDecisions logs the decisions when tx commits. ctx is that of what is done in tx.
func (s *service) logDecisions(ctx context.Context, tx sqldb.Tx, decisions []decision) {
	if len(decisions) == 0 || !s.Log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	tx.OnCommit(func() {
		for _, d := range decisions {
			s.logDecision(ctx, d)
		}
	})
}

func (s *service) logDecision(ctx context.Context, d decision) {
	attrs := append(make([]slog.Attr, 0, 4), slog.String("order_id", d.order.ID), slog.String("user", d.order.UserID))
	if d.eventType == (events.OrderCancelled{}).EventType() {
		attrs = append(attrs, slog.String("reason", string(d.order.Reason)))
	}
	if d.cause != nil { // the context belongs to a batch of events
		ctx = telemetry.WithTraceparent(context.Background(), d.cause.Traceparent)
		attrs = append(attrs, slog.String("event_id", d.cause.ID))
	}
	s.Log.LogAttrs(ctx, slog.LevelInfo, decisionTexts[d.eventType], attrs...)
}

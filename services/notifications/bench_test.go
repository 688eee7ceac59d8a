package notifications_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// BenchmarkMail measures one mail from the event that causes it to the built-in mailbox
// or to an SMTP server, and the event that it was sent, including the relay.
func BenchmarkMail(b *testing.B) {
	for name, url := range sqldbtest.URLs(b) {
		b.Run("mailbox/"+name, func(b *testing.B) { benchmarkMail(b, url, "") })
	}
	server := smtptest.Start(b, smtptest.Options{})
	for name, url := range sqldbtest.URLs(b) {
		b.Run("smtp/"+name, func(b *testing.B) { benchmarkMail(b, url, "smtp://"+server.Addr) })
	}
}

// sink accepts and discards all messages.
type sink struct{}

func (sink) Publish(_ context.Context, messages []bus.Message) []error {
	return make([]error, len(messages))
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// replica returns an instance of the service on db, which others may share.
func replica(t testing.TB, db sqldb.DB, smtpURL string) *app.Instance {
	t.Helper()
	instance, err := app.NewInstance(notifications.Service, app.Dependencies{
		Environ: map[string]string{
			"NOTIFICATIONS_SMTP_URL": smtpURL, "NOTIFICATIONS_DKIM": "false", "NOTIFICATIONS_MAILS_PER_HOUR": "0",
			"NOTIFICATIONS_SMTP_CONNECTIONS_PER_DOMAIN": "4", // all recipients are of one domain
		}, DB: db, Publisher: sink{}, Peers: map[string]string{}, Transport: http.DefaultTransport,
		Now: time.Now, NewID: newID, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return instance
}

// consume delivers payloads to an instance in one batch.
func consume(t testing.TB, instance *app.Instance, payloads ...event.Payload) {
	t.Helper()
	require.NoError(t, instance.Inbox.Consume(t.Context(), deliveries(t, payloads...)))
}

// deliveries returns payloads in new events, as a bus delivers them.
func deliveries(t testing.TB, payloads ...event.Payload) []bus.Delivery {
	t.Helper()
	batch := make([]bus.Delivery, len(payloads))
	for i, payload := range payloads {
		data, err := json.Marshal(payload)
		require.NoError(t, err)
		e := event.Envelope{ID: newID(), Source: "test", Type: payload.EventType(), Time: time.Now(), CorrelationID: payload.CorrelationID(), Data: data}
		body, err := event.Encode(e)
		require.NoError(t, err)
		batch[i] = bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
	}
	return batch
}

func benchmarkMail(b *testing.B, url, smtpURL string) {
	db := sqldbtest.Open(b, url, sqldb.Options{}, app.Migrations(notifications.Service)...)
	instance := replica(b, db, smtpURL)
	consume(b, instance, adaRegistered)
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += 256 {
		payloads := make([]event.Payload, 0, 256)
		for range min(128, (b.N-sent+1)/2) {
			order, dispatch := created, shipped // of two orders: a late mail that its own order has overtaken is left out
			order.OrderID, dispatch.OrderID = newID(), newID()
			payloads = append(payloads, order, dispatch)
		}
		consume(b, instance, payloads...)
		require.NoError(b, sendAll(b.Context(), instance))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	var sent int
	require.NoError(b, db.QueryRow(b.Context(), "SELECT COUNT(*) FROM deliveries WHERE state = 'sent'").Scan(&sent))
	require.GreaterOrEqual(b, sent, b.N)
}

// sendAll runs the senders side by side, as the service does, and then the other workers,
// until none has work left.
func sendAll(ctx context.Context, instance *app.Instance) error {
	var senders errgroup.Group
	for _, w := range instance.Workers {
		if strings.HasPrefix(w.Name, "send-mails") {
			senders.Go(func() error {
				for n := 1; n > 0; {
					var err error
					if n, err = w.Step(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := senders.Wait(); err != nil {
		return err
	}
	return settle(ctx, instance)
}

// settle runs the steps of all workers until none has work left.
func settle(ctx context.Context, instance *app.Instance) error {
	for handled := 1; handled > 0; {
		handled = 0
		for _, w := range instance.Workers {
			n, err := w.Step(ctx)
			if err != nil {
				return err
			}
			handled += n
		}
	}
	return nil
}

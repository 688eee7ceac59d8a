package orders_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/orders"
)

// publishTimes records when each type of event was last published.
type publishTimes struct {
	mu        sync.Mutex
	published map[string]time.Time
}

func (p *publishTimes) Publish(_ context.Context, messages []bus.Message) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		p.published[m.Type] = time.Now()
	}
	return make([]error, len(messages))
}

// All loops of the service run here as in production, on a clock that jumps forward
// whenever all of them wait.
func TestAnUnansweredOrderIsCancelledAtItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key, err := auth.NewPrivateKey()
		require.NoError(t, err)
		signer, err := auth.NewSigner(key)
		require.NoError(t, err)
		times := &publishTimes{published: map[string]time.Time{}}
		service, err := app.NewInstance(orders.Service, app.Dependencies{
			Environ: map[string]string{}, Version: "test", DB: sqldbtest.SQLite(t, app.Migrations(orders.Service)...),
			Publisher: times, JWKS: signer.JWKS(), Peers: map[string]string{}, Transport: http.DefaultTransport,
			Now: time.Now, NewID: uuid.NewString, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var loops sync.WaitGroup
		for _, w := range service.Workers {
			loops.Go(func() { w.Run(ctx, service.Env.Log) })
		}

		consume(t, service, tea)
		token, err := signer.Sign(auth.Caller{UserID: "ada", Role: auth.User, SessionID: "s", Expires: time.Now().Add(time.Hour)}, "t", time.Now())
		require.NoError(t, err)
		placed := time.Now()
		require.Contains(t, send(service, token, "POST", "/orders", twoTeas), `"status":"pending"`)
		time.Sleep(2*time.Minute - time.Millisecond)
		synctest.Wait()
		require.Less(t, times.published[events.OrderCreated{}.EventType()].Sub(placed), 10*time.Millisecond, "the commit woke the relay")
		require.Contains(t, send(service, token, "GET", "/orders", ""), `"status":"pending"`)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Contains(t, send(service, token, "GET", "/orders", ""), `"cancel_reason":"deadline"`)
		require.WithinRange(t, times.published[events.OrderCancelled{}.EventType()],
			placed.Add(2*time.Minute), placed.Add(2*time.Minute+1100*time.Millisecond))

		ended := time.Now()
		stop()
		loops.Wait()
		require.Zero(t, time.Since(ended), "idle loops end at once")
	})
}

func consume(t *testing.T, service *app.Instance, payload event.Payload) {
	t.Helper()
	e, err := event.New(uuid.NewString(), "test", time.Now(), payload)
	require.NoError(t, err)
	body, err := event.Encode(e)
	require.NoError(t, err)
	require.NoError(t, service.Inbox.Consume(t.Context(), []bus.Delivery{{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}}))
}

func send(service *app.Instance, token, method, path, body string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	response := httptest.NewRecorder()
	service.Handler.ServeHTTP(response, r)
	return response.Body.String()
}

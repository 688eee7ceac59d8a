package test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/patterns/event"
	"troupe/test/process"
)

// An event that a service can not read is kept, shown and replayed by the
// operator, and nobody else notices.
func TestADeadLetterIsSeenAndReplayed(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	troupe := &process.Troupe{
		Binary: binary, Data: t.TempDir(), Output: t.Output(), Env: []string{"ADMIN_PASSWORD=" + adminPassword, "PASSWORD_HASH_COST=insecure"},
	}
	require.NoError(t, troupe.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, troupe.Stop()) })
	poison := say(t, troupe, event.Event{
		ID: "01900000-0000-7000-8000-00000000dead", Source: "inventory", Type: "stock.reserved.v1", Time: time.Now(),
		Data: json.RawMessage(`{"order_id":42}`),
	})
	operate := func(args ...string) string {
		args = append(args, "--url", troupe.URL("gateway"))
		for _, service := range []string{"orders", "notifications", "inventory", "payments"} {
			args = append(args, "--at", service+"="+troupe.URL(service))
		}
		command := exec.CommandContext(t.Context(), binary, append([]string{"dead-letters"}, args...)...)
		command.Env = append(command.Environ(), "ADMIN_PASSWORD="+adminPassword)
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Eventually(t, func() bool { return strings.Contains(operate("list"), poison) }, patience, 50*tick)
	require.Contains(t, operate("show", "orders", poison), `{"order_id":42}`)
	operate("replay", "orders", poison)
	require.Eventually(t, func() bool {
		return strings.Contains(operate("show", "orders", poison), "dead")
	}, patience, 50*tick, "replayed, it is as bad as before")

	s := &system{url: troupe.URL}
	s.admin = s.login(t, adminEmail, adminPassword)
	s.offer(t, "lantern", 1299, 10)
	ada := s.customer(t)
	placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Wanted{SKU: "lantern", Quantity: 1})
	require.NoError(t, err)
	s.until(t, ada, placed.ID, "order.paid.v1")
}

// say puts an event into inventory's outbox, as a bug there would, and gives its id.
func say(t *testing.T, troupe *process.Troupe, e event.Event) string {
	t.Helper()
	body, err := event.Encode(e)
	require.NoError(t, err)
	db := databasesIn(t, troupe.Data)["inventory"]
	_, err = db.Exec(t.Context(), "INSERT INTO outbox (event_id, type, body, created_at) VALUES ($1, $2, $3, $4)",
		e.ID, e.Type, string(body), time.Now().UnixMicro())
	require.NoError(t, err)
	return e.ID
}

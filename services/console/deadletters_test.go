package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/console"
)

// In these tests no other service runs.

func TestServicesThatDoNotAnswerAboutDeadLettersAreNamed(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		var shown struct{ Unreachable []string }
		list := ada.Get(t, "/console/api/dead-letters").Want(t, 200, "items.0", nil)
		require.NoError(t, json.Unmarshal(list.Body, &shown))
		require.IsIncreasing(t, shown.Unreachable)
		require.Subset(t, shown.Unreachable, []string{"inventory", "notifications", "orders", "payments", "users"})
		ada.Post(t, "/console/api/dead-letters/replay", `{"all":true,"dry_run":true}`).Want(t, 200, "dry_run", true, "failed", len(shown.Unreachable))
		ada.Get(t, "/console/api/dead-letters/kitchen.1").Problem(t, 404, "group_not_found")
		ada.Post(t, "/console/api/dead-letters/replay", `{}`).Problem(t, 422, "nothing_selected")
		ada.Post(t, "/console/api/dead-letters/discard", `{"all":true}`).Problem(t, 422, "reason_required")
		h.As("ann", auth.User).Get(t, "/console/api/dead-letters").Problem(t, 403, "role_required")
	})
}

func TestAConsoleThatOnlyShowsChangesNoDeadLetter(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Post(t, "/console/api/dead-letters/replay", `{"all":true}`).Problem(t, 403, "console_readonly")
		ada.Post(t, "/console/api/dead-letters/discard", `{"all":true,"reason":"repaired"}`).Problem(t, 403, "console_readonly")
		ada.Post(t, "/console/api/dead-letters/replay", `{"all":true,"dry_run":true}`).Want(t, 200)
	}, servicetest.Setting("CONSOLE_MODE", "readonly"))
}

func TestDeadLettersAreShownWithoutWhatIsSecret(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As("ada", auth.Admin).Get(t, "/console/api/dead-letters/payments.1").Want(t, 200,
			"items.0.data.order_id", "o", "items.0.data.payment_method", "[redacted]", "items.0.error", "no mail to [redacted]")
	}, servicetest.Peer("payments", func(*servicetest.Harness) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			event := `{"event_id":"e","type":"order.created.v1","last_error":"no mail to ann@example.com"`
			if r.URL.Path == "/dead-letters/e" {
				_, _ = fmt.Fprintf(w, `%s,"body":%q}`, event, `{"data":{"order_id":"o","payment_method":"pm_card_visa"}}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"items":[%s}]}`, event)
		})
	}))
}

package orders_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/services/orders"
)

// An operator who searches the log for an order finds what was decided about it, for whom,
// and which event led to it.
func TestTheLogHasALineForEachDecisionAboutAnOrder(t *testing.T) {
	reserved, paidFor := payloads{stockReserved, authorized}, payloads{stockCommitted, captured}
	for name, c := range map[string]struct {
		happens func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client, id string)
		want    []string
	}{
		"paid": {
			func(t *testing.T, h *servicetest.Harness, _ *servicetest.Client, id string) {
				h.Consumes(t, reserved.of(id)...)
				h.Consumes(t, paidFor.of(id)...)
			},
			[]string{"order confirmed after payment.authorized.v1", "order paid after payment.captured.v1"},
		},
		"sent to the customer": {
			func(t *testing.T, h *servicetest.Harness, _ *servicetest.Client, id string) {
				h.ConsumesBatch(t, append(reserved.of(id), paidFor.of(id)...)...)
				root := h.As("root", auth.Admin)
				root.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200)
				root.Post(t, "/orders/"+id+"/deliver", nil).Want(t, 200)
			},
			[]string{"order confirmed after payment.authorized.v1", "order paid after payment.captured.v1", "order shipped", "order delivered"},
		},
		"declined": {
			func(t *testing.T, h *servicetest.Harness, _ *servicetest.Client, id string) {
				h.Consumes(t, stockReserved(id), declined(id), stockReleased(id))
			},
			[]string{"order cancelled because of payment_declined after payment.declined.v1", "stock of an order released after stock.released.v1"},
		},
		"cancelled by the customer after it was paid": {
			func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client, id string) {
				h.ConsumesBatch(t, append(reserved.of(id), paidFor.of(id)...)...)
				ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200)
				h.Consumes(t, refunded(id))
			},
			[]string{
				"order confirmed after payment.authorized.v1", "order paid after payment.captured.v1",
				"order cancelled because of customer", "payment of an order refunded after payment.refunded.v1",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Run(t, orders.Service, func(t *testing.T, h *servicetest.Harness) {
				h.Consumes(t, tea, cup)
				ada := h.As("ada", auth.User)
				recorded := h.Recorded(t)
				id := orderTeas(t, h, ada)
				c.happens(t, h, ada, id)
				h.Redelivers(t)
				require.Equal(t, c.want, decisionsLogged(t, recorded(), id))
			})
		})
	}
}

// decisionsLogged returns the lines about an order of ada: the text, the reason and the type of the
// event that the line names.
func decisionsLogged(t *testing.T, records []journal.Record, id string) (lines []string) {
	t.Helper()
	types := map[string]string{}
	for _, r := range records {
		if r.Attempt != nil {
			types[r.Attempt.EventID] = r.Attempt.Type
		}
	}
	for _, r := range records {
		if r.Line == nil {
			continue
		}
		require.Equal(t, []string{"INFO", id, "ada"}, []string{r.Line.Level, r.OrderID, r.Line.Details["user"]})
		line := r.Line.Text
		if reason := r.Line.Details["reason"]; reason != "" {
			line += " because of " + reason
		}
		if r.Line.EventID != "" {
			line += " after " + types[r.Line.EventID]
		}
		lines = append(lines, line)
	}
	return lines
}

// A decision that was not committed is not logged.
func TestADecisionThatIsRolledBackIsNotLogged(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		recorded := h.Recorded(t)
		id := orderTeas(t, h, ada)
		rename := func(from, to string) {
			_, err := h.DB.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
			require.NoError(t, err)
		}
		rename("outbox", "mislaid")
		ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 500)
		rename("mislaid", "outbox")
		require.Empty(t, decisionsLogged(t, recorded(), id))
		ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200)
		require.Equal(t, []string{"order cancelled because of customer"}, decisionsLogged(t, recorded(), id))
	})
}

package orders_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/platform/httpapi/streamtest"
)

type status struct {
	Status       string
	PaymentState string `json:"payment_state"`
	Version      int64
}

func orderStream(t *testing.T, h *servicetest.Harness, c *servicetest.Client, id, lastID string) *streamtest.Stream {
	t.Helper()
	return streamtest.Must(t, h.URL+"/orders/"+id+"/stream", c.Token(), lastID)
}

func TestAnOrdersStatusArrivesLiveUntilItIsFinal(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		stream := orderStream(t, h, ada, id, "")
		var s status
		stream.Next(t, "order", &s)
		require.Equal(t, "pending", s.Status)

		h.Consumes(t, stockReserved(id), authorized(id), stockCommitted(id), captured(id))
		for s.PaymentState != "captured" { // states that follow each other quickly may be skipped
			stream.Next(t, "order", &s)
		}
		require.Equal(t, "confirmed", s.Status)
		admin := h.As("root", auth.Admin)
		for _, step := range []string{"ship", "deliver"} {
			admin.Post(t, "/orders/"+id+"/"+step, nil).Want(t, 200)
			stream.Next(t, "order", &s)
		}
		require.Equal(t, "delivered", s.Status)
		var end struct{ Reason string }
		stream.Next(t, "end", &end)
		require.Equal(t, "final", end.Reason)
		stream.Ends(t)

		// A browser connects again, and then no more.
		ada.With("Last-Event-ID", stream.LastID).Get(t, "/orders/"+id+"/stream").Want(t, 204)
		again := orderStream(t, h, ada, id, "")
		again.Next(t, "order", nil)
		again.Next(t, "end", nil)
		again.Ends(t)
	})
}

func TestTheStreamOfACancelledOrderEndsWhenItsMoneyIsReturned(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		stream := orderStream(t, h, ada, id, "")
		var s status
		stream.Next(t, "order", &s)
		ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200)
		stream.Next(t, "order", &s)
		require.Equal(t, "cancelled", s.Status)
		h.Consumes(t, voided(id))
		stream.Next(t, "order", &s)
		require.Equal(t, "voided", s.PaymentState)
		stream.Next(t, "end", nil)
		stream.Ends(t)
	})
}

func TestTheStreamOfAnOrderIsPrivate(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.As("eve", auth.User).Get(t, "/orders/"+id+"/stream").Problem(t, 404, "order_not_found")
		ada.Get(t, "/orders/nonsense/stream").Problem(t, 404, "order_not_found")
		h.Anonymous().Get(t, "/orders/"+id+"/stream").Problem(t, 401, "token_missing")
		ada.Get(t, "/orders/"+id+"/stream?after=nonsense").Problem(t, 422, "last_event_id_invalid")
		admins := orderStream(t, h, h.As("root", auth.Admin), id, "")
		admins.Next(t, "order", nil)

		orderStream(t, h, ada, id, "").Next(t, "order", nil)
		ada.Get(t, "/orders/"+id+"/stream").Problem(t, 429, "too_many_streams")
		h.Consumes(t, events.SessionRevoked{SessionID: "session-ada", UserID: "ada", Until: events.Time{Time: h.Now().Add(time.Hour)}})
		ada.Get(t, "/orders/"+id+"/stream").Problem(t, 401, "session_revoked")
	}, servicetest.Setting("ORDERS_STREAMS_PER_USER", "1"))
}

// A stream at one replica shows what another one has decided.
func TestAStreamShowsTheChangesOfOtherReplicas(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		stream := streamtest.Must(t, h.URL+"/orders/"+id+"/stream", ada.Token(), "")
		var s status
		stream.Next(t, "order", &s)
		h.Step(t, "feed")
		_, err := h.DB.Exec(t.Context(), "UPDATE orders SET status = 'confirmed', version = version + 1 WHERE id = $1", id)
		require.NoError(t, err)
		h.Step(t, "feed")
		stream.Next(t, "order", &s)
		require.Equal(t, "confirmed", s.Status)
	})
}

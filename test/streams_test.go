package test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/httpapi/streamtest"
)

// A shop's page follows an order and the inbox of its customer through the gateway,
// whichever replicas serve the streams and do the work.
func TestAPageFollowsAnOrderAndTheInboxLive(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		inbox := streamtest.Must(t, s.URL("gateway")+"/notifications/stream", ada.Token(), "")
		inbox.Next(t, "unread", nil)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		order := streamtest.Must(t, s.URL("gateway")+"/orders/"+placed.ID+"/stream", ada.Token(), "")
		follow := func(stream *streamtest.Stream, event, member, want string) {
			for got := ""; got != want; {
				e, err := stream.Read()
				require.NoError(t, err, "waiting for %s %s", event, want)
				var data map[string]any
				require.NoError(t, json.Unmarshal([]byte(e.Data), &data))
				got, _ = data[member].(string)
			}
		}
		follow(order, "order", "payment_state", "captured")
		follow(inbox, "notification", "kind", "order.paid")

		inbox.Close() // the customer goes away, and comes back
		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/ship", nil, nil))
		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/deliver", nil, nil))
		follow(order, "order", "status", "delivered")
		order.Next(t, "end", nil)
		order.Ends(t)
		inbox = streamtest.Must(t, s.URL("gateway")+"/notifications/stream", ada.Token(), inbox.LastID)
		seen := map[string]bool{}
		for !seen["order.shipped"] || !seen["order.delivered"] {
			e, err := inbox.Read()
			require.NoError(t, err)
			var data struct{ Kind string }
			require.NoError(t, json.Unmarshal([]byte(e.Data), &data))
			seen[data.Kind] = true
		}
		require.NotContains(t, seen, "order.paid", "it came a second time")

		require.NoError(t, ada.Post(t.Context(), "/logout", nil, nil))
		var end struct{ Reason string }
		for name := ""; name != "end"; {
			e, err := inbox.Read()
			require.NoError(t, err)
			if name = e.Name; name == "end" {
				require.NoError(t, json.Unmarshal([]byte(e.Data), &end))
			}
		}
		require.Equal(t, "session_revoked", end.Reason)
		inbox.Ends(t)
	})
}

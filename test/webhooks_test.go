package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// hookMessage is what another system of the shop has received.
type hookMessage struct {
	id, timestamp, signature string
	body                     []byte
}

// signedWith reports whether the message has the signature of a secret.
func (m hookMessage) signedWith(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", m.id, m.timestamp, m.body)
	return err == nil && m.signature == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// An accounting system subscribes to order.paid, and receives it for an order that is
// placed through the gateway, although its first answer is an error.
func TestAnotherSystemIsInformedOfAPaidOrder(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		received := make(chan hookMessage, 100)
		refusals := make(chan struct{}, 1)
		refusals <- struct{}{}
		accounting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-refusals:
				w.WriteHeader(http.StatusInternalServerError)
				return
			default:
			}
			body, _ := io.ReadAll(r.Body)
			received <- hookMessage{r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), body}
		}))
		t.Cleanup(accounting.Close)
		var hook struct{ ID, Secret string }
		require.NoError(t, s.admin.Post(t.Context(), "/webhooks", map[string]any{"url": accounting.URL, "events": []string{"order.paid.v1"}}, &hook))

		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 2})
		require.NoError(t, err)
		m := <-received
		require.True(t, m.signedWith(hook.Secret))
		var e struct {
			ID, Type string
			Data     struct {
				OrderID string `json:"order_id"`
				Amount  struct{ Amount int64 }
			}
		}
		require.NoError(t, json.Unmarshal(m.body, &e))
		require.Equal(t, "order.paid.v1", e.Type)
		require.Equal(t, m.id, e.ID)
		require.Equal(t, placed.ID, e.Data.OrderID)
		require.EqualValues(t, 2598, e.Data.Amount.Amount)

		require.Error(t, ada.Post(t.Context(), "/webhooks/"+hook.ID+"/test", nil, nil), "only for admins")
		require.NoError(t, s.admin.Post(t.Context(), "/webhooks/"+hook.ID+"/test", nil, nil))
		test := <-received
		require.True(t, test.signedWith(hook.Secret))
		require.Contains(t, string(test.body), "webhook.test.v1")
	})
}

package test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// The console states how each order ended, and why, in a sentence.
func TestTheConsoleStatesWhatBecameOfAnOrder(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		admin := s.admin
		for kind, verdict := range map[string]string{
			"paid":         `^Paid after \d+`,
			"declined":     `^Cancelled after .*: the card was declined\. .*[Nn]othing was charged`,
			"out_of_stock": `^Cancelled after .*: .* was out of stock`,
		} {
			var placed struct {
				OrderID string `json:"order_id"`
			}
			require.Eventually(t, func() bool { // until orders knows the product
				return admin.Post(t.Context(), "/console/api/sample-order", map[string]string{"kind": kind}, &placed) == nil
			}, timeout, 20*pollInterval)
			s.awaitVerdict(t, admin, placed.OrderID, verdict)
		}

		ada := s.newCustomer(t)
		o, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, o.ID, "order.paid.v1")
		require.NoError(t, ada.CancelOrder(t.Context(), o.ID))
		s.awaitVerdict(t, admin, o.ID, `: the customer cancelled it\. The stock was put back, .* was refunded`)

		late, err := ada.PlaceOrder(t.Context(), "pm_fake_timeout_then_charged", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitVerdict(t, admin, late.ID, `^Waiting for payments for .*\.$|^Paid after `)
		s.awaitVerdict(t, admin, late.ID, `^Paid after `)

		_, err = ada.Story(t.Context(), o.ID)
		require.ErrorContains(t, err, "403", "customers do not see the console")
		_, err = admin.Story(t.Context(), "01900000-0000-7000-8000-000000000000")
		require.ErrorContains(t, err, "404")
	})
}

// The same is shown in the terminal.
func TestTheTerminalShowsAnOrdersStory(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		o, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, o.ID, "order.paid.v1")
		s.awaitShown(t, regexp.MustCompile(`Paid after \d+`), "order", o.ID)
		s.awaitShown(t, regexp.MustCompile("orders publishes order.created"), "order", o.ID)
		s.troupe(t, "events", "tail", "--no-follow")
	})
}

// awaitVerdict waits until the console's verdict on an order is as wanted.
func (s *system) awaitVerdict(t *testing.T, admin *client.Client, orderID, wanted string) {
	t.Helper()
	var story client.Story
	var err error
	require.Eventually(t, func() bool {
		story, err = admin.Story(t.Context(), orderID)
		return err == nil && regexp.MustCompile(wanted).MatchString(story.Verdict)
	}, timeout, 20*pollInterval, "the verdict on %s: %v, the error: %v", orderID, &story, delayedError{&err})
}

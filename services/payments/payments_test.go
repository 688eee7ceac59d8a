package payments_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/payments"
)

const visa = "pm_card_visa"

var total = events.Money{Amount: 4200, Currency: "EUR"}

// run runs test against a provider that responds at once.
func run(t *testing.T, test func(t *testing.T, h *servicetest.Harness)) {
	t.Helper()
	servicetest.Run(t, payments.Service, func(t *testing.T, h *servicetest.Harness) {
		test(t, h)
		requireReconciled(t, h)
	}, servicetest.Setting("PAYMENTS_PROVIDER_DELAYS", "false"), servicetest.Twice())
}

func created(order, method string) events.OrderCreated {
	return events.OrderCreated{OrderID: order, UserID: "u1", Total: total, PaymentMethod: method}
}

func confirmed(order string) events.OrderConfirmed {
	return events.OrderConfirmed{OrderID: order, UserID: "u1", Total: total}
}

func cancelled(order string) events.OrderCancelled {
	return events.OrderCancelled{OrderID: order, UserID: "u1", Total: total, Reason: "customer"}
}

// ofOrder returns the payment of an order as its user sees it.
func ofOrder(t *testing.T, h *servicetest.Harness, order string) *servicetest.Response {
	t.Helper()
	return h.As("u1", auth.User).Get(t, "/payments?order_id="+order)
}

func idOf(t *testing.T, h *servicetest.Harness, order string) string {
	t.Helper()
	return ofOrder(t, h, order).Field(t, "items.0.id")
}

// balance returns what is authorized and what is paid for an order at the provider.
func balance(t *testing.T, h *servicetest.Harness, order string) (held, paid int64) {
	t.Helper()
	require.NoError(t, h.DB.QueryRow(t.Context(), `SELECT CAST(COALESCE(SUM(held), 0) AS BIGINT), CAST(COALESCE(SUM(paid), 0) AS BIGINT)
		FROM provider_ledger WHERE charge = (SELECT id FROM payments WHERE order_id = $1)`, order).Scan(&held, &paid))
	return held, paid
}

func requireBalance(t *testing.T, h *servicetest.Harness, order string, held, paid int64) {
	t.Helper()
	gotHeld, gotPaid := balance(t, h, order)
	require.Equal(t, [2]int64{held, paid}, [2]int64{gotHeld, gotPaid}, "held and paid for %s", order)
}

// requireReconciled requires that the reconciliation finds no mismatch.
func requireReconciled(t *testing.T, h *servicetest.Harness) {
	t.Helper()
	h.Settle(t)
	h.As("admin-1", auth.Admin).Get(t, "/payments/reconciliation").Want(t, 200, "mismatches", 0)
}

func TestAnOrdersMoneyIsAuthorizedAndThenCaptured(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", visa))
		id := idOf(t, h, "o1")
		h.Publishes(t, events.PaymentAuthorized{OrderID: "o1", UserID: "u1", PaymentID: id, Amount: total})
		requireBalance(t, h, "o1", 4200, 0)
		h.Consumes(t, confirmed("o1"))
		h.Publishes(t, events.PaymentCaptured{OrderID: "o1", UserID: "u1", PaymentID: id, Amount: total})
		requireBalance(t, h, "o1", 0, 4200)
		h.Redelivers(t)
		h.PublishesNothing(t)
		ofOrder(t, h, "o1").Want(t, 200, "items.0.state", "captured", "items.0.amount.amount", 4200, "items.0.method", visa,
			"items.0.operations.0.kind", "auth", "items.0.operations.0.outcome", "succeeded", "items.0.operations.0.attempts", 1,
			"items.0.operations.1.kind", "capture", "items.0.operations.2", nil)
	})
}

func TestADeclineIsPublishedWithItsReason(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for order, want := range map[string]struct{ method, code string }{
			"o1": {"pm_card_chargeDeclined", "card_declined"},
			"o2": {"pm_card_insufficientFunds", "insufficient_funds"},
			"o3": {"pm_unknown", "invalid_payment_method"},
			"o4": {"", "invalid_payment_method"},
		} {
			h.Consumes(t, created(order, want.method))
			h.Publishes(t, events.PaymentDeclined{OrderID: order, UserID: "u1", PaymentID: idOf(t, h, order), Amount: total, Reason: want.code})
			h.Consumes(t, cancelled(order))
			h.PublishesNothing(t)
			ofOrder(t, h, order).Want(t, 200, "items.0.state", "declined", "items.0.code", want.code)
			requireBalance(t, h, order, 0, 0)
		}
	})
}

func TestACancelVoidsAnAuthorizationAndRefundsACapture(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("held", visa), created("paid", visa), confirmed("paid"))
		require.Len(t, servicetest.Published[events.PaymentCaptured](t, h), 1)
		h.ConsumesBatch(t, cancelled("held"), cancelled("paid"), cancelled("paid"))
		require.Equal(t, []events.PaymentVoided{{OrderID: "held", UserID: "u1", PaymentID: idOf(t, h, "held"), Amount: total}},
			servicetest.Published[events.PaymentVoided](t, h))
		require.Equal(t, []events.PaymentRefunded{{OrderID: "paid", UserID: "u1", PaymentID: idOf(t, h, "paid"), Amount: total, Reason: "customer"}},
			servicetest.Published[events.PaymentRefunded](t, h))
		requireBalance(t, h, "held", 0, 0)
		requireBalance(t, h, "paid", 0, 0)
	})
}

func TestACancelThatComesFirstChargesNothing(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, cancelled("o1"))
		h.Publishes(t, events.PaymentVoided{OrderID: "o1", UserID: "u1", PaymentID: idOf(t, h, "o1"), Amount: total})
		h.Consumes(t, created("o1", visa), confirmed("o1"))
		h.PublishesNothing(t)
		ofOrder(t, h, "o1").Want(t, 200, "items.0.state", "voided", "items.0.operations.0", nil)
	})
}

func TestALostResponseIsUnknownUntilTheProviderIsAsked(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", "pm_fake_timeout_then_charged"))
		h.PublishesNothing(t)
		requireBalance(t, h, "o1", 4200, 0)
		ofOrder(t, h, "o1").Want(t, 200, "items.0.state", "pending", "items.0.operations.0.outcome", "unknown")
		h.As("admin-1", auth.Admin).Get(t, "/payments/reconciliation").Want(t, 200, "unknown", 1, "by_state.pending", 1)
		h.Advance(time.Second)
		require.Len(t, servicetest.Published[events.PaymentAuthorized](t, h), 1)
		ofOrder(t, h, "o1").Want(t, 200, "items.0.state", "authorized", "items.0.operations.0.attempts", 2)
	})
}

func TestALostCallIsRepeatedUntilItArrives(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", "pm_fake_timeout"), confirmed("o1"))
		h.Advance(time.Second) // it asks: not known; it calls again: lost again
		h.PublishesNothing(t)
		h.Advance(time.Minute)
		require.Len(t, servicetest.Published[events.PaymentAuthorized](t, h), 1)
		requireBalance(t, h, "o1", 0, 4200)
	})
}

// See inbox.TestAnEventThatWasParkedByAClockThatWasAheadIsRetried.
func TestAClockThatWasAheadPutsNoMoneyOff(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		const year = 365 * 24 * time.Hour
		h.Advance(year)
		h.Consumes(t, created("o1", "pm_fake_timeout_then_charged"))
		h.PublishesNothing(t)
		h.Advance(-year)
		h.Step(t, "reconciliation")
		require.Len(t, servicetest.Published[events.PaymentAuthorized](t, h), 1)
		requireBalance(t, h, "o1", 4200, 0)
	})
}

func TestACancelWhileTheOutcomeIsUnknownIsUndone(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for order, method := range map[string]string{"executed": "pm_fake_timeout_then_charged", "lost": "pm_fake_timeout"} {
			h.Consumes(t, created(order, method))
			h.Consumes(t, cancelled(order))
			h.PublishesNothing(t)
			h.Advance(time.Minute)
			h.Publishes(t, events.PaymentVoided{OrderID: order, UserID: "u1", PaymentID: idOf(t, h, order), Amount: total})
			requireBalance(t, h, order, 0, 0)
		}
	})
}

func TestAFailedCaptureIsPublishedAndVoidedWithTheOrder(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", "pm_fake_capture_fails"), confirmed("o1"))
		require.Equal(t, []events.PaymentCaptureFailed{
			{OrderID: "o1", UserID: "u1", PaymentID: idOf(t, h, "o1"), Amount: total, Reason: "authorization_lapsed"},
		}, servicetest.Published[events.PaymentCaptureFailed](t, h))
		requireBalance(t, h, "o1", 4200, 0)
		h.Consumes(t, cancelled("o1"))
		require.Len(t, servicetest.Published[events.PaymentVoided](t, h), 1)
		requireBalance(t, h, "o1", 0, 0)
	})
}

func TestACallThatWasNotRecordedIsAskedForAfterItsLease(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", visa))
		// As after a crash between the provider's response and recording it.
		_, err := h.DB.Exec(t.Context(), `UPDATE payments SET state = 'pending', due_at = $1, operations = $2, version = version + 1`,
			h.Now().Add(30*time.Second).UnixMicro(),
			`[{"kind":"auth","key":"auth:`+idOf(t, h, "o1")+`:1","status":"unknown","attempts":1}]`)
		require.NoError(t, err)
		h.Advance(30*time.Second - 1)
		h.Settle(t)
		ofOrder(t, h, "o1").Want(t, 200, "items.0.operations.0.outcome", "unknown", "items.0.operations.0.attempts", 1)
		h.Advance(1)
		h.Settle(t)
		ofOrder(t, h, "o1").Want(t, 200, "items.0.state", "authorized", "items.0.operations.0.attempts", 2)
		requireBalance(t, h, "o1", 4200, 0)
	})
}

func TestAnAdminRefundsCapturedMoney(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", visa))
		id := idOf(t, h, "o1")
		admin := h.As("admin-1", auth.Admin)
		refund := func(c *servicetest.Client, body string) *servicetest.Response {
			return c.Post(t, "/payments/"+id+"/refund", body)
		}
		refund(admin, `{"reason":"broken"}`).Problem(t, 409, "payment_not_captured")
		h.Consumes(t, confirmed("o1"))

		refund(h.Anonymous(), `{"reason":"broken"}`).Problem(t, 401, "token_missing")
		refund(h.As("u1", auth.User), `{"reason":"broken"}`).Problem(t, 403, "role_required")
		refund(admin, `{"reason":"broken","amount":{"amount":1,"currency":"EUR"}}`).Problem(t, 422, "partial_refund")
		refund(admin, `{"reason":"broken","amount":{"amount":4200,"currency":"USD"}}`).Problem(t, 422, "partial_refund")
		require.Equal(t, 422, refund(admin, `{"reason":""}`).Status)
		admin.Post(t, "/payments/unknown/refund", `{"reason":"broken"}`).Problem(t, 404, "payment_not_found")

		once := admin.With("Idempotency-Key", "k1")
		full := `{"reason":"broken","amount":{"amount":4200,"currency":"EUR"}}`
		refund(once, full).Want(t, 202, "state", "captured", "operations.2.kind", "refund", "operations.2.outcome", "due")
		refund(once, full).Want(t, 202, "state", "captured", "operations.2.outcome", "due")
		refund(once, `{"reason":"other"}`).Problem(t, 422, "idempotency_key_reused")
		refund(admin, full).Problem(t, 409, "payment_not_captured")
		require.Equal(t, []events.PaymentRefunded{{OrderID: "o1", UserID: "u1", PaymentID: id, Amount: total, Reason: "broken"}},
			servicetest.Published[events.PaymentRefunded](t, h))
		requireBalance(t, h, "o1", 0, 0)
		h.Consumes(t, cancelled("o1"))
		require.Len(t, servicetest.Published[events.PaymentRefunded](t, h), 1)
	})
}

func TestUsersSeeTheirOwnPaymentsOnly(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for _, order := range []string{"o1", "o2", "o3"} {
			h.Consumes(t, created(order, visa))
		}
		mine, other, admin := h.As("u1", auth.User), h.As("u2", auth.User), h.As("admin-1", auth.Admin)
		first := mine.Get(t, "/payments?limit=2").Want(t, 200, "items.0.order_id", "o3", "items.1.order_id", "o2", "items.2", nil)
		mine.Get(t, "/payments?limit=2&cursor="+first.Field(t, "next_cursor")).
			Want(t, 200, "items.0.order_id", "o1", "items.1", nil, "next_cursor", nil)
		id := idOf(t, h, "o1")
		mine.Get(t, "/payments/"+id).Want(t, 200, "order_id", "o1", "state", "authorized")
		admin.Get(t, "/payments/"+id).Want(t, 200, "order_id", "o1")
		admin.Get(t, "/payments?order_id=o1").Want(t, 200, "items.0.id", id)

		other.Get(t, "/payments").Want(t, 200, "items", []any{})
		other.Get(t, "/payments?order_id=o1").Want(t, 200, "items", []any{})
		other.Get(t, "/payments/"+id).Problem(t, 404, "payment_not_found")
		other.Get(t, "/payments/reconciliation").Problem(t, 403, "role_required")
		require.Equal(t, 422, mine.Get(t, "/payments?cursor=%21").Status)
		require.Equal(t, 422, mine.Get(t, "/payments/"+strings.Repeat("x", 101)).Status)
	})
}

func TestReconciliationFindsMoneyInTheWrongPlace(t *testing.T) {
	servicetest.Run(t, payments.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", visa), created("o2", visa), confirmed("o2"))
		_, err := h.DB.Exec(t.Context(), "UPDATE provider_ledger SET held = 0 WHERE charge = $1", idOf(t, h, "o1"))
		require.NoError(t, err)
		h.Settle(t)
		h.As("admin-1", auth.Admin).Get(t, "/payments/reconciliation").
			Want(t, 200, "payments", 2, "mismatches", 1, "mismatched.0.payment_id", idOf(t, h, "o1"), "mismatched.0.held", 0,
				"by_state.authorized", 1, "by_state.captured", 1)
	}, servicetest.Setting("PAYMENTS_PROVIDER_DELAYS", "false"))
}

// The users service of either version may have published the event.
func TestARevokedSessionIsRefused(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		until := events.Time{Time: h.Now().Add(time.Hour)}
		h.Consumes(t, events.SessionRevoked{SessionID: "session-u1", UserID: "u1", Until: until},
			events.SessionsRevoked{SessionIDs: []string{"session-u2", "session-u3"}, UserID: "u2", Until: until})
		for _, id := range []string{"u1", "u2", "u3"} {
			h.As(id, auth.User).Get(t, "/payments").Problem(t, 401, "session_revoked")
		}
		require.Equal(t, 200, h.As("u4", auth.User).Get(t, "/payments").Status)
	})
}

func TestMoneyIsGivenBackHoweverLongItTakes(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", visa))
		requireBalance(t, h, "o1", total.Amount, 0)
		h.ConsumesEventually(t, "payments", cancelled("o1"))
		requireBalance(t, h, "o1", 0, 0)
	})
}

func TestTheFormerNameOfTheSettingStillWorks(t *testing.T) {
	servicetest.Run(t, payments.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", "pm_fake_slow"))
		ofOrder(t, h, "o1").Want(t, 200, "items.0.state", "authorized")
	}, servicetest.Setting("PROVIDER_DELAYS", "false"))
}

func TestRefundsAreAudited(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created("o1", visa), confirmed("o1"))
		id := idOf(t, h, "o1")
		refund := map[string]any{"reason": "arrived broken"}
		h.As("u1", auth.User).Post(t, "/payments/"+id+"/refund", refund).Problem(t, 403, "role_required")
		h.As("root", auth.Admin).Post(t, "/payments/"+id+"/refund", refund).Want(t, 202)
		h.Settle(t)
		require.Equal(t, []string{
			"u1 POST /payments/{id}/refund refused /payments/" + id + "/refund", "root refund_payment ok " + id,
		}, h.Audited(t))
	})
}

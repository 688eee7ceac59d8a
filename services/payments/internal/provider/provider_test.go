package provider_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

var total = money.Money{Amount: 4200, Currency: "EUR"}

// fakeNetwork is a provider whose delayed responses arrive when the test wants.
type fakeNetwork struct {
	*provider.Provider
	delayed []func()
	waits   []time.Duration
}

func each(t *testing.T, test func(t *testing.T, b *fakeNetwork)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		b := &fakeNetwork{}
		b.Provider = &provider.Provider{
			DB: db, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			After: func(d time.Duration, f func()) {
				b.waits, b.delayed = append(b.waits, d), append(b.delayed, f)
			},
		}
		test(t, b)
	}, store.Migrations)
}

// call sends one request and returns its response, also if that is delayed.
func (b *fakeNetwork) call(t *testing.T, r provider.Request) (response provider.Response) {
	t.Helper()
	responses := 0
	b.Submit(t.Context(), []provider.Request{r}, func(_ int, got provider.Response) { responses++; response = got })
	for _, f := range b.delayed {
		f()
	}
	b.delayed = nil
	require.Equal(t, 1, responses)
	return response
}

func request(kind provider.Kind, method string) provider.Request {
	return provider.Request{Kind: kind, Key: string(kind) + ":p1", Charge: "p1", Amount: total, Method: method}
}

func ask(r provider.Request) provider.Request { r.Ask = true; return r }

func (b *fakeNetwork) balance(t *testing.T) provider.Balance {
	t.Helper()
	balances, err := b.Balances(t.Context(), []string{"p1", "unknown"})
	require.NoError(t, err)
	require.Zero(t, balances["unknown"])
	return balances["p1"]
}

var (
	approved = provider.Response{Outcome: provider.Approved}
	notFound = provider.Response{Outcome: provider.NotFound}
	timedOut = provider.Response{Outcome: provider.TimedOut}
)

func rejected(code string) provider.Response {
	return provider.Response{Outcome: provider.Rejected, Code: code}
}

func TestAChargeIsAuthorizedCapturedAndRefunded(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		for _, step := range []struct {
			kind provider.Kind
			want provider.Response
			then provider.Balance
		}{
			{provider.Authorize, approved, provider.Balance{Held: 4200}},
			{provider.Refund, rejected("not_captured"), provider.Balance{Held: 4200}},
			{provider.Capture, approved, provider.Balance{Paid: 4200}},
			{provider.Void, rejected("already_captured"), provider.Balance{Paid: 4200}},
			{provider.Refund, approved, provider.Balance{}},
			{provider.Void, rejected("already_refunded"), provider.Balance{}},
		} {
			r := request(step.kind, "pm_card_visa")
			require.Equal(t, step.want, b.call(t, r), step.kind)
			require.Equal(t, step.then, b.balance(t), step.kind)
			require.Equal(t, step.want, b.call(t, r), "the second time")
			require.Equal(t, step.then, b.balance(t), step.kind)
		}
	})
}

func TestACaptureNeedsAnAuthorization(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		r := request(provider.Capture, "pm_card_visa")
		require.Equal(t, rejected("not_authorized"), b.call(t, r))
		require.Equal(t, rejected("not_authorized"), b.call(t, ask(r)))
		require.Equal(t, rejected("not_captured"), b.call(t, request(provider.Refund, "pm_card_visa")))
	})
}

func TestAVoidPreventsALostAuthorizationFromTakingEffectLater(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		require.Equal(t, notFound, b.call(t, ask(request(provider.Authorize, "pm_card_visa"))))
		require.Equal(t, approved, b.call(t, request(provider.Void, "pm_card_visa")))
		require.Equal(t, rejected("canceled"), b.call(t, request(provider.Authorize, "pm_card_visa")))
		require.Equal(t, rejected("not_authorized"), b.call(t, request(provider.Capture, "pm_card_visa")))
		require.Zero(t, b.balance(t))
	})
}

func TestTheMethodDeterminesWhatHappens(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		for method, code := range map[string]string{
			"pm_card_chargeDeclined":    "card_declined",
			"pm_card_insufficientFunds": "insufficient_funds",
			"pm_unknown":                "invalid_payment_method",
			"":                          "invalid_payment_method",
		} {
			r := request(provider.Authorize, method)
			r.Charge = "p" + method
			require.Equal(t, rejected(code), b.call(t, r), method)
			require.Equal(t, rejected(code), b.call(t, ask(r)), method)
		}
		require.Equal(t, approved, b.call(t, request(provider.Authorize, "pm_fake_capture_fails")))
		require.Equal(t, rejected("authorization_lapsed"), b.call(t, request(provider.Capture, "pm_fake_capture_fails")))
		require.Equal(t, approved, b.call(t, request(provider.Void, "pm_fake_capture_fails")))
		require.Zero(t, b.balance(t))
		require.Empty(t, b.waits)
	})
}

func TestALostResponseIsFoundByAsking(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		r := request(provider.Authorize, "pm_fake_timeout_then_charged")
		require.Equal(t, timedOut, b.call(t, r))
		require.Equal(t, []time.Duration{5 * time.Second}, b.waits)
		require.Equal(t, approved, b.call(t, ask(r)))
		require.Equal(t, provider.Balance{Held: 4200}, b.balance(t))
	})
}

func TestTheThirdCallArrivesAfterTwoLostOnes(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		r := request(provider.Authorize, "pm_fake_timeout")
		for range 2 {
			require.Equal(t, timedOut, b.call(t, r))
			require.Equal(t, notFound, b.call(t, ask(r)))
		}
		require.Equal(t, approved, b.call(t, r))
		require.Equal(t, approved, b.call(t, r))
	})
}

func TestASlowMethodDelaysNoOtherCall(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		slow, quick := request(provider.Authorize, "pm_fake_slow"), request(provider.Authorize, "pm_card_visa")
		quick.Charge = "p2"
		responses := map[int]provider.Response{}
		b.Submit(t.Context(), []provider.Request{slow, quick}, func(i int, r provider.Response) { responses[i] = r })
		require.Equal(t, map[int]provider.Response{1: approved}, responses)
		require.Equal(t, []time.Duration{2 * time.Second}, b.waits)
		b.delayed[0]()
		require.Equal(t, map[int]provider.Response{0: approved, 1: approved}, responses)
	})
}

func TestAnUnreachableProviderIsATimeout(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		r := request(provider.Authorize, "pm_card_visa")
		r.Charge = "\x00" // its database rejects this
		require.Equal(t, timedOut, b.call(t, r))
	})
}

func TestOfTwoConcurrentCallsOneIsApproved(t *testing.T) {
	each(t, func(t *testing.T, b *fakeNetwork) {
		require.Equal(t, approved, b.call(t, request(provider.Authorize, "pm_card_visa")))
		responses := make(chan provider.Response, 2)
		for _, kind := range []provider.Kind{provider.Capture, provider.Void} {
			go b.Submit(t.Context(), []provider.Request{request(kind, "pm_card_visa")},
				func(_ int, r provider.Response) { responses <- r })
		}
		first, second := <-responses, <-responses
		require.NotEqual(t, first, second)
		require.Contains(t, []provider.Response{first, second}, approved)
		balance := b.balance(t)
		require.Contains(t, []provider.Balance{{}, {Paid: 4200}}, balance)
	})
}

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

// bank is a provider whose late answers come when the test says so.
type bank struct {
	*provider.Provider
	late  []func()
	waits []time.Duration
}

func each(t *testing.T, test func(t *testing.T, b *bank)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		b := &bank{}
		b.Provider = &provider.Provider{
			DB: db, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			After: func(d time.Duration, f func()) {
				b.waits, b.late = append(b.waits, d), append(b.late, f)
			},
		}
		test(t, b)
	}, store.Migrations)
}

// call sends one request and gives its answer, waiting for a late one.
func (b *bank) call(t *testing.T, r provider.Request) (a provider.Answer) {
	t.Helper()
	answers := 0
	b.Submit(t.Context(), []provider.Request{r}, func(_ int, got provider.Answer) { answers++; a = got })
	for _, f := range b.late {
		f()
	}
	b.late = nil
	require.Equal(t, 1, answers)
	return a
}

func request(kind provider.Kind, method string) provider.Request {
	return provider.Request{Kind: kind, Key: string(kind) + ":p1", Charge: "p1", Amount: total, Method: method}
}

func asked(r provider.Request) provider.Request { r.Ask = true; return r }

func (b *bank) balance(t *testing.T) provider.Balance {
	t.Helper()
	balances, err := b.Balances(t.Context(), []string{"p1", "unheard"})
	require.NoError(t, err)
	require.Zero(t, balances["unheard"])
	return balances["p1"]
}

var (
	done   = provider.Answer{Outcome: provider.Done}
	absent = provider.Answer{Outcome: provider.Absent}
)

func denied(code string) provider.Answer {
	return provider.Answer{Outcome: provider.Denied, Code: code}
}

func TestAChargeGoesItsWay(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		for _, step := range []struct {
			kind provider.Kind
			want provider.Answer
			then provider.Balance
		}{
			{provider.Authorize, done, provider.Balance{Held: 4200}},
			{provider.Refund, denied("not_captured"), provider.Balance{Held: 4200}},
			{provider.Capture, done, provider.Balance{Paid: 4200}},
			{provider.Void, denied("already_captured"), provider.Balance{Paid: 4200}},
			{provider.Refund, done, provider.Balance{}},
			{provider.Void, denied("already_refunded"), provider.Balance{}},
		} {
			r := request(step.kind, "pm_card_visa")
			require.Equal(t, step.want, b.call(t, r), step.kind)
			require.Equal(t, step.then, b.balance(t), step.kind)
			require.Equal(t, step.want, b.call(t, r), "the second time")
			require.Equal(t, step.then, b.balance(t), step.kind)
		}
	})
}

func TestOnlyWhatIsAuthorisedIsCaptured(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		r := request(provider.Capture, "pm_card_visa")
		require.Equal(t, denied("not_authorized"), b.call(t, r))
		require.Equal(t, denied("not_authorized"), b.call(t, asked(r)))
		require.Equal(t, denied("not_captured"), b.call(t, request(provider.Refund, "pm_card_visa")))
	})
}

func TestAVoidKeepsALostAuthorisationFromTakingEffectLater(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		require.Equal(t, absent, b.call(t, asked(request(provider.Authorize, "pm_card_visa"))))
		require.Equal(t, done, b.call(t, request(provider.Void, "pm_card_visa")))
		require.Equal(t, denied("canceled"), b.call(t, request(provider.Authorize, "pm_card_visa")))
		require.Equal(t, denied("not_authorized"), b.call(t, request(provider.Capture, "pm_card_visa")))
		require.Zero(t, b.balance(t))
	})
}

func TestMethodsFareAsTheyAreNamed(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		for method, code := range map[string]string{
			"pm_card_chargeDeclined":    "card_declined",
			"pm_card_insufficientFunds": "insufficient_funds",
			"pm_of_nobody":              "invalid_payment_method",
			"":                          "invalid_payment_method",
		} {
			r := request(provider.Authorize, method)
			r.Charge = "p" + method
			require.Equal(t, denied(code), b.call(t, r), method)
			require.Equal(t, denied(code), b.call(t, asked(r)), method)
		}
		require.Equal(t, done, b.call(t, request(provider.Authorize, "pm_fake_capture_fails")))
		require.Equal(t, denied("authorization_lapsed"), b.call(t, request(provider.Capture, "pm_fake_capture_fails")))
		require.Equal(t, done, b.call(t, request(provider.Void, "pm_fake_capture_fails")))
		require.Zero(t, b.balance(t))
		require.Empty(t, b.waits)
	})
}

func TestALostAnswerIsFoundByAsking(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		r := request(provider.Authorize, "pm_fake_timeout_then_charged")
		require.Equal(t, provider.Answer{Outcome: provider.TimedOut}, b.call(t, r))
		require.Equal(t, []time.Duration{5 * time.Second}, b.waits)
		require.Equal(t, done, b.call(t, asked(r)))
		require.Equal(t, provider.Balance{Held: 4200}, b.balance(t))
	})
}

func TestALostCallIsUnknownUntilAThirdOneComesThrough(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		r := request(provider.Authorize, "pm_fake_timeout")
		for range 2 {
			require.Equal(t, provider.Answer{Outcome: provider.TimedOut}, b.call(t, r))
			require.Equal(t, absent, b.call(t, asked(r)))
		}
		require.Equal(t, done, b.call(t, r))
		require.Equal(t, done, b.call(t, r))
	})
}

func TestASlowMethodHoldsNobodyElseUp(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		slow, quick := request(provider.Authorize, "pm_fake_slow"), request(provider.Authorize, "pm_card_visa")
		quick.Charge = "p2"
		answers := map[int]provider.Answer{}
		b.Submit(t.Context(), []provider.Request{slow, quick}, func(i int, a provider.Answer) { answers[i] = a })
		require.Equal(t, map[int]provider.Answer{1: done}, answers)
		require.Equal(t, []time.Duration{2 * time.Second}, b.waits)
		b.late[0]()
		require.Equal(t, map[int]provider.Answer{0: done, 1: done}, answers)
	})
}

func TestAProviderOutOfReachIsATimeOut(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		r := request(provider.Authorize, "pm_card_visa")
		r.Charge = "\x00" // what its database refuses
		require.Equal(t, provider.Answer{Outcome: provider.TimedOut}, b.call(t, r))
	})
}

func TestOfTwoCallsAtOnceOneIsFirst(t *testing.T) {
	each(t, func(t *testing.T, b *bank) {
		require.Equal(t, done, b.call(t, request(provider.Authorize, "pm_card_visa")))
		answers := make(chan provider.Answer, 2)
		for _, kind := range []provider.Kind{provider.Capture, provider.Void} {
			go b.Submit(t.Context(), []provider.Request{request(kind, "pm_card_visa")},
				func(_ int, a provider.Answer) { answers <- a })
		}
		first, second := <-answers, <-answers
		require.NotEqual(t, first, second)
		require.Contains(t, []provider.Answer{first, second}, done)
		balance := b.balance(t)
		require.Contains(t, []provider.Balance{{}, {Paid: 4200}}, balance)
	})
}

package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/services/payments/internal/payment"
)

// bank is a provider in memory: keys take effect once, and it may be asked.
type bank struct {
	declines, capturesFail bool
	answers                map[string]payment.Answer
	authorized, captured   bool
	voided, refunded       bool
}

func (b *bank) do(c payment.Call) payment.Answer {
	if a, seen := b.answers[c.Key]; seen {
		return a
	}
	if c.Ask {
		return payment.Answer{Outcome: payment.Absent}
	}
	a := b.decide(c.Kind)
	b.answers[c.Key] = a
	return a
}

func (b *bank) decide(kind payment.Kind) payment.Answer {
	effect, denied := &b.authorized, b.declines || b.voided || b.authorized
	switch kind {
	case payment.CaptureMoney:
		effect, denied = &b.captured, b.capturesFail || b.voided || !b.authorized
	case payment.Void:
		effect, denied = &b.voided, b.captured
	case payment.Refund:
		effect, denied = &b.refunded, !b.captured
	}
	if denied && kind == payment.Void {
		return payment.Answer{Outcome: payment.Denied, Code: payment.AlreadyCaptured}
	}
	if denied {
		return payment.Answer{Outcome: payment.Denied, Code: "no"}
	}
	*effect = true
	return payment.Answer{Outcome: payment.Done}
}

// held and paid are where the money is.
func (b *bank) held() bool { return b.authorized && !b.captured && !b.voided }
func (b *bank) paid() bool { return b.captured && !b.refunded }

// TestMoneyEndsWhereTheOrderWantsIt plays facts, calls, lost calls, lost answers,
// crashes and replicas that wake up long after their lease, at random. At rest
// the money must be where the order's facts say, whatever came in between.
func TestMoneyEndsWhereTheOrderWantsIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &bank{
			answers:  map[string]payment.Answer{},
			declines: rapid.IntRange(0, 4).Draw(t, "declines") == 0, capturesFail: rapid.IntRange(0, 4).Draw(t, "captures fail") == 0,
		}
		p, now := order(), noon
		heard := map[string]bool{}
		var stalled []payment.Call
		hears := func(fact string, take func(*payment.Payment)) func(*rapid.T) {
			return func(*rapid.T) { heard[fact] = true; take(p) }
		}
		claim := func() (payment.Call, bool) {
			if o := p.Open(); o == nil || now.Before(o.DueAt) {
				return payment.Call{}, false
			}
			return p.Claim(now, lease), true
		}
		t.Repeat(map[string]func(*rapid.T){
			"created":   hears("created", created),
			"confirmed": hears("confirmed", confirmed),
			"cancelled": hears("cancelled", cancelled),
			"time":      func(*rapid.T) { now = now.Add(10 * time.Second) },
			"call": func(*rapid.T) {
				if c, ok := claim(); ok {
					p.Answered(c, b.do(c), now)
				}
			},
			"lost call": func(*rapid.T) {
				if c, ok := claim(); ok {
					p.Answered(c, payment.Answer{Outcome: payment.TimedOut}, now)
				}
			},
			"lost answer": func(*rapid.T) {
				if c, ok := claim(); ok {
					b.do(c)
					p.Answered(c, payment.Answer{Outcome: payment.TimedOut}, now)
				}
			},
			"stall": func(*rapid.T) {
				if c, ok := claim(); ok {
					stalled = append(stalled, c)
				}
			},
			"wake up": func(*rapid.T) {
				if len(stalled) > 0 {
					p.Answered(stalled[0], b.do(stalled[0]), now)
					stalled = stalled[1:]
				}
			},
		})
		for range 20 { // to rest
			now = now.Add(time.Hour)
			if c, ok := claim(); ok {
				p.Answered(c, b.do(c), now)
			}
		}
		for _, c := range stalled { // the last ones wake up when all is over
			p.Answered(c, b.do(c), now)
		}
		require.Nil(t, p.Open())
		requireRight(t, p, b, heard)
	})
}

func requireRight(t *rapid.T, p *payment.Payment, b *bank, heard map[string]bool) {
	switch {
	case heard["cancelled"]:
		require.False(t, b.held() || b.paid(), "money is left: %+v", b)
		require.Contains(t, []payment.State{payment.Voided, payment.Refunded, payment.Declined}, p.State)
	case !heard["created"]:
		require.Equal(t, payment.Pending, p.State)
	case b.declines:
		require.Equal(t, payment.Declined, p.State)
	case !heard["confirmed"]:
		require.Equal(t, payment.Authorized, p.State)
		require.True(t, b.held())
	case b.capturesFail:
		require.Equal(t, payment.CaptureFailed, p.State)
		require.True(t, b.held())
	default:
		require.Equal(t, payment.Captured, p.State)
		require.True(t, b.paid())
	}
}

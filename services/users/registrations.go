package users

import (
	"time"

	"troupe/patterns/ratelimit"
	"troupe/platform/fault"
	"troupe/services/users/internal/throttle"
)

// registrationBurst is how many minutes' worth of accounts an address may register at
// once.
const registrationBurst = 3

// registrations limits how many accounts a client's address may register, and with that
// how many e-mail addresses it can try for an account. Each replica counts for itself.
type registrations struct {
	limiter *ratelimit.Limiter[throttle.Key] // nil: no limit
}

func newRegistrations(perMinute int, now func() time.Time) registrations {
	if perMinute == 0 {
		return registrations{}
	}
	return registrations{ratelimit.New[throttle.Key](ratelimit.Config{
		Rate: float64(perMinute) / 60, Burst: registrationBurst * perMinute, Now: now,
	})}
}

// take returns fault.TooManyRequests if too many accounts have been registered from the
// address. One that is not known is not limited.
func (r registrations) take(address string) error {
	key, known := throttle.Address(address)
	if r.limiter == nil || !known {
		return nil
	}
	if d := r.limiter.Take(key); !d.Allowed {
		return &fault.Error{
			Kind: fault.TooManyRequests, Code: "registrations_limited", RetryAfter: d.RetryAfter,
			Message: "too many accounts were registered from your network address; wait for the time in Retry-After and try again",
		}
	}
	return nil
}

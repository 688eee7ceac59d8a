package users

import (
	"context"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/store"
	"troupe/services/users/internal/throttle"
)

// attempt is one try at a password: whose, and from where if that is known.
type attempt struct {
	account throttle.Key
	address throttle.Key
}

func attemptOn(email string) attempt { return attempt{account: throttle.Account(email)} }

func attemptBy(email, from string) attempt {
	try := attemptOn(email)
	if address, ok := throttle.Address(from); ok {
		try.address = address
	}
	return try
}

// charge counts the attempt as failed. Fails with fault.TooMany, and counts
// nothing, if it comes too early.
func (s *service) charge(ctx context.Context, try attempt) error {
	now := s.now()
	return s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		wait, err := store.ChargeAttempt(ctx, tx, try.account, throttle.PerAccount, now)
		if err != nil {
			return err
		}
		var more time.Duration
		if try.address != "" {
			if more, err = store.ChargeAttempt(ctx, tx, try.address, throttle.PerAddress, now); err != nil {
				return err
			}
		}
		if wait = max(wait, more); wait > 0 {
			return throttle.TooMany(wait)
		}
		return nil
	})
}

// forgive is for an attempt that succeeded: the account starts afresh, the
// address gets back no more than this one.
func (s *service) forgive(ctx context.Context, tx sqldb.Tx, try attempt) error {
	if err := store.ForgiveAttempts(ctx, tx, try.account); err != nil {
		return err
	}
	return s.refundAddress(ctx, tx, try)
}

// refundUnlessWrong takes the charge back if the password was not even looked at.
func (s *service) refundUnlessWrong(ctx context.Context, try attempt, err error) {
	if kind := fault.KindOf(err); kind != fault.Unavailable && kind != fault.Internal {
		return
	}
	// The caller may be gone by now, which may be why it failed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	failed := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.RefundAttempt(ctx, tx, try.account, throttle.PerAccount); err != nil {
			return err
		}
		return s.refundAddress(ctx, tx, try)
	})
	if failed != nil {
		s.log.WarnContext(ctx, "an attempt to sign in stays counted as failed", "error", failed)
	}
}

func (s *service) refundAddress(ctx context.Context, tx sqldb.Tx, try attempt) error {
	if try.address == "" {
		return nil
	}
	return store.RefundAttempt(ctx, tx, try.address, throttle.PerAddress)
}

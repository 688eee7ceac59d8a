package users

import (
	"context"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/store"
	"troupe/services/users/internal/throttle"
)

// attempt is one attempt to sign in: at which account, and from which address if that
// is known.
type attempt struct {
	account throttle.Key
	address throttle.Key
}

// attemptOn returns an attempt at an account from an unknown address.
func attemptOn(email string) attempt { return attempt{account: throttle.Account(email)} }

// attemptFrom returns an attempt at an account from a client's address.
func attemptFrom(email, from string) attempt {
	try := attemptOn(email)
	if address, ok := throttle.Address(from); ok {
		try.address = address
	}
	return try
}

// recordAttempt counts the attempt as failed before the password is checked, so that
// concurrent attempts are limited too. It returns fault.TooManyRequests, and counts
// nothing, if the attempt comes too early.
func (s *service) recordAttempt(ctx context.Context, try attempt) error {
	now := s.Now()
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		wait, err := store.RecordAttempt(ctx, tx, try.account, throttle.PerAccount, now)
		if err != nil {
			return err
		}
		var more time.Duration
		if try.address != "" {
			if more, err = store.RecordAttempt(ctx, tx, try.address, throttle.PerAddress, now); err != nil {
				return err
			}
		}
		if wait = max(wait, more); wait > 0 {
			return throttle.TooMany(wait)
		}
		return nil
	})
}

// clearAttempts is called when an attempt has succeeded. It clears the failures of the
// account, and discards this attempt only from those of the address.
func (s *service) clearAttempts(ctx context.Context, tx sqldb.Tx, try attempt) error {
	if err := store.ClearAttempts(ctx, tx, try.account); err != nil {
		return err
	}
	return s.discardFromAddress(ctx, tx, try)
}

// discardUnlessChecked discards the recorded attempt if err means that the password was
// not checked.
func (s *service) discardUnlessChecked(ctx context.Context, try attempt, err error) {
	if kind := fault.KindOf(err); kind != fault.Unavailable && kind != fault.Internal {
		return
	}
	// The caller may have disconnected, which may be why it failed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	failed := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.DiscardAttempt(ctx, tx, try.account, throttle.PerAccount); err != nil {
			return err
		}
		return s.discardFromAddress(ctx, tx, try)
	})
	if failed != nil {
		s.Log.WarnContext(ctx, "an attempt to sign in remains counted as failed, though the password was not checked", "error", failed)
	}
}

func (s *service) discardFromAddress(ctx context.Context, tx sqldb.Tx, try attempt) error {
	if try.address == "" {
		return nil
	}
	return store.DiscardAttempt(ctx, tx, try.address, throttle.PerAddress)
}

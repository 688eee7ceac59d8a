package users

import (
	"context"
	"errors"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/store"
	"troupe/services/users/internal/throttle"
)

// attempt is one check of a password, by the keys for which its failure would count.
type attempt struct {
	account throttle.Key // of the account, or of a known device at the account
	address throttle.Key // of the client; "" if it is not known, or does not matter
	known   bool         // on a known device
}

// attemptAt returns an attempt to sign in to the account with this e-mail address.
//
// On a known device the attempt counts for that device alone: others who guess at the
// account, or from the same address, do not keep its owner waiting. That lets no one guess
// at a second account, because a device's token is valid for one, and only as long as the
// password is the one that was used there.
func (s *service) attemptAt(ctx context.Context, email string, c client) (attempt, error) {
	if c.device != "" {
		owner, err := s.findAccount(ctx, email)
		if err != nil {
			return attempt{}, err
		}
		id, known := s.devices.Read(c.device, deviceOwner(owner.ID, owner.PasswordHash), s.Now())
		if known && owner.ID != "" {
			return attempt{account: throttle.Device(id), known: true}, nil
		}
	}
	address, _ := throttle.Address(c.address)
	return attempt{account: throttle.Account(storedForm(email)), address: address}, nil
}

// storedForm returns the e-mail address in the form that is stored. What is no address
// is returned as it is: no account can have it.
func storedForm(typed string) string {
	if email, err := account.ParseEmail(typed); err == nil {
		return email
	}
	return typed
}

// deviceOwner returns what a device's token is bound to: the account, not its address,
// which may have belonged to another person; and the password, so that a new one makes the
// devices of a thief unknown.
func deviceOwner(accountID, passwordHash string) string { return accountID + " " + passwordHash }

// attemptSignedIn returns a check of the password of an account by its own session.
func attemptSignedIn(accountID string) attempt { return attempt{account: throttle.SignedIn(accountID)} }

// limits returns the keys of an attempt with their rules, in the order in which they are
// locked.
func (a attempt) limits() []limit {
	limits := []limit{{a.account, throttle.PerAccount}}
	if a.address != "" {
		limits = append(limits, limit{a.address, throttle.PerAddress})
	}
	return limits
}

type limit struct {
	key  throttle.Key
	rule throttle.Rule
}

// errPending means that an attempt may be checked, or not, once others are settled.
var errPending = errors.New("other attempts are being checked")

// reserve reserves an attempt before its password is checked. It returns
// fault.TooManyRequests if the attempt comes too early. While as many attempts are being
// checked as may fail, it waits for one of them to be settled. A reserved attempt must be
// settled.
func (s *service) reserve(ctx context.Context, try attempt) error {
	end, err := s.turns.Take(ctx, try.account)
	if err != nil {
		return err
	}
	defer end()
	for {
		err := s.tryReserve(ctx, try)
		if !errors.Is(err, errPending) {
			return err
		}
		if err := s.turns.AwaitSettled(ctx, try.account, s.After); err != nil {
			return err
		}
	}
}

func (s *service) tryReserve(ctx context.Context, try attempt) error {
	now := s.Now()
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var wait time.Duration
		pending := false
		for _, l := range try.limits() {
			state, err := store.LockAttempts(ctx, tx, l.key, now)
			if err != nil {
				return err
			}
			reserved, decision := l.rule.Reserve(state, now)
			wait, pending = max(wait, decision.Wait), pending || decision.Pending
			if err := store.SaveAttempts(ctx, tx, l.key, reserved); err != nil {
				return err
			}
		}
		switch {
		case wait > 0:
			return throttle.TooMany(wait)
		case pending:
			return errPending
		}
		return nil
	})
}

// settleFailed settles an attempt that failed with err. It counts as failed if the
// password was checked and is wrong.
func (s *service) settleFailed(ctx context.Context, try attempt, err error) {
	settle := func(_ throttle.Rule, state throttle.State, _ time.Time) throttle.State { return state.Return() }
	if isWrongPassword(err) {
		settle = throttle.Rule.Fail
	}
	// The caller may have disconnected, which may be why it failed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	failed := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return s.settle(ctx, tx, try, func(l limit, state throttle.State) throttle.State { return settle(l.rule, state, s.Now()) })
	})
	s.turns.Settled(try.account)
	if failed != nil {
		s.Log.WarnContext(ctx, "an attempt to sign in could not be counted; further ones wait for some seconds", "error", failed)
	}
}

// isWrongPassword reports whether err means that the password was checked and is wrong.
func isWrongPassword(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && (f.Code == errBadCredentials.Code || f.Code == errWrongPassword.Code)
}

const settleTimeout = 5 * time.Second

// settleSucceeded settles an attempt that has succeeded. It clears the failures of a known
// device, which are its owner's. Those of the account remain: otherwise a stranger could
// make more guesses each time the owner has signed in. Those of the address remain too: otherwise
// an attacker with an account could sign in to it before each guess at another account. The
// caller calls s.turns.Settled once tx has ended.
func (s *service) settleSucceeded(ctx context.Context, tx sqldb.Tx, try attempt) error {
	return s.settle(ctx, tx, try, func(l limit, state throttle.State) throttle.State {
		if try.known {
			return state.Clear()
		}
		return state.Return()
	})
}

func (s *service) settle(ctx context.Context, tx sqldb.Tx, try attempt, outcome func(limit, throttle.State) throttle.State) error {
	for _, l := range try.limits() {
		state, err := store.LockAttempts(ctx, tx, l.key, s.Now())
		if err != nil {
			return err
		}
		if err := store.SaveAttempts(ctx, tx, l.key, outcome(l, state)); err != nil {
			return err
		}
	}
	return nil
}

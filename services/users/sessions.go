package users

import (
	"context"
	"time"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/session"
	"troupe/services/users/internal/store"
)

// accessTTL is how long an access token is good.
const accessTTL = 10 * time.Minute

var errBadCredentials = fault.New(fault.Unauthenticated, "invalid_grant", "the e-mail address or the password is wrong")

// signIn opens a session. Whether the account is unknown or the password wrong
// makes no difference, neither in the answer nor in the work done for it.
func (s *service) signIn(ctx context.Context, email, password, from string) (tokenView, error) {
	try := attemptBy(email, from)
	if err := s.charge(ctx, try); err != nil {
		s.signIns.WithLabelValues("throttled").Inc()
		return tokenView{}, err
	}
	a, hash, err := s.authenticate(ctx, email, password)
	if err != nil {
		s.signIns.WithLabelValues("failed").Inc()
		s.refundUnlessWrong(ctx, try, err)
		return tokenView{}, err
	}
	opened, err := s.open(ctx, a, hash, try)
	if err != nil {
		s.refundUnlessWrong(ctx, try, err)
		return tokenView{}, err
	}
	s.signIns.WithLabelValues("succeeded").Inc()
	return s.grant(opened, a.Role)
}

// authenticate gives the account that has this password, and the hash to keep
// from now on: another one if the present was made at another cost.
func (s *service) authenticate(ctx context.Context, email, password string) (account.Account, string, error) {
	a, err := s.lookUp(ctx, email)
	if err != nil {
		return a, "", err
	}
	ok, outdated, err := s.hasher.Match(ctx, password, a.PasswordHash)
	if err != nil {
		return a, "", err
	}
	if !ok {
		return a, "", errBadCredentials
	}
	if !outdated {
		return a, a.PasswordHash, nil
	}
	hash, err := s.hasher.Hash(ctx, password)
	return a, hash, err
}

// lookUp gives the zero account, which has no password, for one that there is not.
func (s *service) lookUp(ctx context.Context, typed string) (account.Account, error) {
	email, err := account.ParseEmail(typed)
	if err != nil {
		return account.Account{}, nil // no account can have such an address
	}
	a, err := store.ByEmail(ctx, s.db, email)
	if fault.Is(err, fault.NotFound) {
		return account.Account{}, nil
	}
	return a, err
}

// open saves a new session, if the account's password is still the one that was shown.
func (s *service) open(ctx context.Context, a account.Account, hash string, try attempt) (session.Session, error) {
	now := s.now()
	opened := session.Session{ID: s.newID(), AccountID: a.ID, CreatedAt: now, RotatedAt: now}
	return opened, s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		same, err := store.ReplaceHash(ctx, tx, a.ID, a.PasswordHash, hash)
		if err != nil {
			return err
		}
		if !same {
			return errBadCredentials
		}
		if err := s.forgive(ctx, tx, try); err != nil {
			return err
		}
		return store.AddSession(ctx, tx, opened)
	})
}

// grant gives the session's present refresh token and a new access token.
func (s *service) grant(of session.Session, role auth.Role) (tokenView, error) {
	now := s.now()
	caller := auth.Caller{UserID: of.AccountID, Role: role, SessionID: of.ID, Expires: now.Add(accessTTL)}
	access, err := s.signer.Sign(caller, s.newID(), now)
	if err != nil {
		return tokenView{}, err
	}
	refresh, err := s.tokens.Write(of.ID, of.Counter)
	if err != nil {
		return tokenView{}, err
	}
	return tokenView{AccessToken: access, TokenType: "bearer", ExpiresIn: int(accessTTL.Seconds()), RefreshToken: refresh}, nil
}

// refresh trades a refresh token for new tokens.
func (s *service) refresh(ctx context.Context, token string) (tokenView, error) {
	id, counter, err := s.tokens.Read(token)
	if err != nil {
		return tokenView{}, err
	}
	var of session.Session
	var verdict session.Verdict
	var a account.Account
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if of, verdict, err = s.judge(ctx, tx, id, counter); err != nil || verdict == session.Refuse || verdict == session.Reuse {
			return err
		}
		a, err = store.Get(ctx, tx, of.AccountID)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound): // deleted, with all its sessions
		return tokenView{}, session.ErrInvalid
	case err != nil:
		return tokenView{}, err
	case verdict == session.Refuse:
		return tokenView{}, session.ErrInvalid
	case verdict == session.Reuse:
		s.log.WarnContext(ctx, "a refresh token was used twice; session ended", "session", id, "user", of.AccountID)
		return tokenView{}, session.ErrReused
	}
	return s.grant(of, a.Role)
}

// judge carries out the verdict on a refresh token.
func (s *service) judge(ctx context.Context, tx sqldb.Tx, id string, counter int64) (session.Session, session.Verdict, error) {
	of, found, err := store.LockSession(ctx, tx, id)
	if err != nil || !found {
		return of, session.Refuse, err
	}
	verdict := of.Judge(counter, s.now())
	switch verdict {
	case session.Rotate:
		of.Counter++
		err = store.RotateSession(ctx, tx, id, s.now())
	case session.Reuse:
		err = s.endSession(ctx, tx, of.AccountID, id)
	}
	return of, verdict, err
}

// signOut ends the caller's session.
func (s *service) signOut(ctx context.Context, c auth.Caller) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return s.endSession(ctx, tx, c.UserID, c.SessionID)
	})
}

func (s *service) endSession(ctx context.Context, tx sqldb.Tx, accountID, id string) error {
	ended, err := store.EndSession(ctx, tx, accountID, id, s.now())
	if err != nil || !ended {
		return err
	}
	return s.revoke(ctx, tx, accountID, []string{id})
}

// endSessions ends all of an account's sessions but one.
func (s *service) endSessions(ctx context.Context, tx sqldb.Tx, accountID, but string) error {
	ids, err := store.EndSessions(ctx, tx, accountID, but, s.now())
	if err != nil {
		return err
	}
	return s.revoke(ctx, tx, accountID, ids)
}

// revoke has the sessions' access tokens refused, here at once and elsewhere as
// soon as it is heard.
func (s *service) revoke(ctx context.Context, tx sqldb.Tx, accountID string, sessions []string) error {
	until := s.now().Add(accessTTL + auth.Skew)
	var said []event.Payload
	for _, id := range sessions {
		if err := s.revocations.Revoke(ctx, tx, id, until); err != nil {
			return err
		}
		said = append(said, events.SessionRevoked{SessionID: id, UserID: accountID, Until: until})
	}
	return s.outbox.Add(ctx, tx, said...)
}

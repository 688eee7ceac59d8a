package users

import (
	"context"

	"troupe/patterns/audit"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/session"
	"troupe/services/users/internal/store"
)

// auditSession records a sign-in, and whether it changed the password.
func (s *service) auditSession(ctx context.Context, tx sqldb.Tx, of session.Session, changed bool) error {
	signIn := audit.Entry{Action: "sign_in", Actor: of.AccountID, Target: of.AccountID, Detail: "session " + of.ID}
	if err := s.Audit.Record(ctx, tx, signIn); err != nil || !changed {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Entry{Action: "change_password", Actor: of.AccountID, Target: of.AccountID})
}

// auditSignIn records that a sign-in was refused. Its target is the account that was
// tried, if there is one: what was typed instead of an address may be a password.
func (s *service) auditSignIn(ctx context.Context, typed string, err error) {
	if !isRefusal(err) {
		return
	}
	target := ""
	if email, err := account.ParseEmail(typed); err == nil {
		if a, err := store.ByEmail(ctx, s.DB, email); err == nil {
			target = a.ID
		}
	}
	s.auditRefusal(ctx, "sign_in", target, err)
}

// auditRegistration records that a registration was refused, unless it was only
// incomplete: many refusals in a row may be a search for addresses with an account.
func (s *service) auditRegistration(ctx context.Context, err error) {
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.TooManyRequests) {
		s.auditRefusal(ctx, "register", "", err)
	}
}

// auditRefusal records that an action was refused, and as what.
func (s *service) auditRefusal(ctx context.Context, action, target string, err error) {
	if !isRefusal(err) {
		return
	}
	e := audit.Entry{Action: action, Outcome: audit.Refused, Target: target, Detail: fault.CodeOf(err)}
	if fault.Is(err, fault.TooManyRequests) {
		e.Outcome = audit.Throttled
	}
	s.Audit.Refuse(ctx, e)
}

// isRefusal reports whether a rule was the reason, rather than a failure of the system.
func isRefusal(err error) bool {
	return err != nil && !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Internal)
}

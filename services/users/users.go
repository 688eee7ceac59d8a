// Package users manages identity: accounts, sign-in, sessions, and the access tokens
// that the gateway and every service verify without calling this service.
//
//	POST /token, password -----> session ---> access token  (JWT, 10 minutes)
//	                               |     ---> refresh token (opaque, for one use)
//	POST /token, refresh_token <---+
//	POST /logout, new password, account
//	deleted, refresh token reused --> session.revoked ---> every other service
//
// A session is a row in the database. An access token is a signed JWT: it is valid
// until it expires or its session is revoked. Each refresh returns the next refresh
// token (rotation), and a refresh token that is used twice ends its session (reuse
// detection).
//
// Password hashing is slow, so sign-ins and registrations have queues. Sign-in attempts
// are rate-limited by account and by address, so that passwords cannot be guessed; a
// device on which the owner has signed in before has a limit of its own, so that guesses
// of others do not shut out the owner. Only POST /users reveals whether an e-mail address
// has an account, and it is rate-limited by address.
package users

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/republish"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/services/users/internal/device"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/session"
	"troupe/services/users/internal/store"
	"troupe/services/users/internal/throttle"
)

// Service is the users service.
var Service = app.Service{
	Name:       "users",
	Port:       8001,
	Owns:       "accounts, sessions, signing keys",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Publishes:  events.Published("users"),
	Schema:     events.Schema,
	Build:      build,
}

type service struct {
	app.Env
	settings
	signer         *auth.Signer
	tokens         session.Tokens
	devices        device.Tokens
	fingerprintKey []byte // of the fingerprints by which repeated registrations are recognized
	hasher         *password.Hasher
	policy         password.Policy
	turns          throttle.Turns
	registrations  registrations
	signIns        *prometheus.CounterVec
}

// startTimeout is how long a start may take to create keys and the first admin.
const startTimeout = 30 * time.Second

func build(env app.Env) (app.Components, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s := &service{Env: env}
	if err := s.readSettings(); err != nil {
		return app.Components{}, err
	}
	if err := s.loadKeys(ctx); err != nil {
		return app.Components{}, err
	}
	s.prepareHashing(env.Registry)
	s.registrations = newRegistrations(s.RegistrationsPerMinute, env.Now)
	if err := s.ensureAdmin(ctx); err != nil {
		return app.Components{}, fmt.Errorf("create the first admin: %w", err)
	}
	return app.Components{
		Routes:       s.routes,
		KeepsAuditOf: []string{"gateway"},
		Republishes:  []republish.Source{{Name: "users", Types: []string{events.UserUpdated{}.EventType()}, Page: usersPage}},
		Workers: []worker.Worker{
			{Name: "expiry", Background: true, Step: s.deleteExpired, Interval: time.Minute},
		},
		Verifier: auth.NewVerifier(auth.VerifierConfig{
			Static: s.signer.JWKS(), Revocations: env.Revocations, Now: env.Now,
		}),
	}, nil
}

// loadKeys loads the keys that all replicas share. The first replica to start creates
// them.
func (s *service) loadKeys(ctx context.Context) error {
	keys, err := store.SigningKeys(ctx, s.DB, s.Now())
	if err != nil {
		return err
	}
	if s.signer, err = auth.NewSigner(keys...); err != nil {
		return err
	}
	refresh, err := store.Secret(ctx, s.DB, "refresh tokens", s.Now())
	if err != nil {
		return err
	}
	s.tokens = session.NewTokens(refresh)
	known, err := store.Secret(ctx, s.DB, "known devices", s.Now())
	if err != nil {
		return err
	}
	s.devices = device.NewTokens(known)
	s.fingerprintKey, err = store.Secret(ctx, s.DB, "fingerprints", s.Now())
	return err
}

func (s *service) prepareHashing(reg *prometheus.Registry) {
	hashes := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "troupe_users_password_hashes_total", Help: "Password hashes computed.",
	})
	s.signIns = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_users_sign_ins_total", Help: "Attempts to sign in with a password, by result: succeeded, failed or throttled.",
	}, []string{"result"})
	reg.MustRegister(hashes, s.signIns)
	s.policy = password.Policy{MinLength: s.MinPassword}
	// One processor is left to everything else.
	s.hasher = password.NewHasher(s.hashCost(), max(runtime.GOMAXPROCS(0)-1, 1), hashes.Inc)
}

// deleteExpired deletes sessions that have ended or expired, and old failed attempts.
func (s *service) deleteExpired(ctx context.Context) (int, error) {
	now := s.Now()
	sessions, err := store.DeleteExpiredSessions(ctx, s.DB, now)
	if err != nil {
		return 0, err
	}
	attempts, err := store.DeleteOldAttempts(ctx, s.DB, now)
	return sessions + attempts, err
}

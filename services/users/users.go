// Package users is identity: accounts, signing in, and the access tokens that
// the gateway and every service verify for themselves.
//
//	POST /token, password -----> session ---> access token  (JWT, 10 minutes)
//	                               |     ---> refresh token (opaque, good for one use)
//	POST /token, refresh_token <---+
//	POST /logout, new password,
//	deletion, token used twice --> session.revoked ---> every service
//
// A session lives in the database; an access token is believed without asking
// here, until it expires or its session is revoked. What is slow (hashing
// passwords) is queued, what can be guessed (signing in) is slowed down, and
// whether somebody has an account is told by POST /users alone.
package users

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/session"
	"troupe/services/users/internal/store"
)

// Service is the users service.
var Service = app.Service{
	Name:       "users",
	Port:       8001,
	Owns:       "accounts, sessions, signing keys",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Build:      build,
}

type service struct {
	settings
	db          sqldb.DB
	outbox      *outbox.Outbox
	revocations *auth.Revocations
	now         func() time.Time
	newID       func() string
	log         *slog.Logger

	signer       *auth.Signer
	tokens       session.Tokens
	fingerprints []byte // the key under which passwords are compared without being stored
	hasher       *password.Hasher
	policy       password.Policy
	signIns      *prometheus.CounterVec
}

// startLimit is how long making keys and the first admin may take.
const startLimit = 30 * time.Second

func build(env app.Env) (app.Components, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	s := &service{
		db: env.DB, outbox: env.Outbox, revocations: env.Revocations,
		now: env.Now, newID: env.NewID, log: env.Log,
	}
	if err := s.readSettings(env); err != nil {
		return app.Components{}, err
	}
	if err := s.readKeys(ctx); err != nil {
		return app.Components{}, err
	}
	s.prepareHashing(env.Registry)
	if err := s.ensureAdmin(ctx); err != nil {
		return app.Components{}, fmt.Errorf("make the first admin: %w", err)
	}
	return app.Components{
		Routes: s.routes,
		Workers: []worker.Worker{
			{Name: "users sweep", Step: s.sweep, Interval: time.Minute},
		},
		Verifier: auth.NewVerifier(auth.VerifierConfig{
			Static: s.signer.JWKS(), Revocations: env.Revocations, Now: env.Now,
		}),
	}, nil
}

// readKeys gets the keys that all replicas share; the first to start makes them.
func (s *service) readKeys(ctx context.Context) error {
	keys, err := store.SigningKeys(ctx, s.db, s.now())
	if err != nil {
		return err
	}
	if s.signer, err = auth.NewSigner(keys...); err != nil {
		return err
	}
	refresh, err := store.Secret(ctx, s.db, "refresh tokens", s.now())
	if err != nil {
		return err
	}
	s.tokens = session.NewTokens(refresh)
	s.fingerprints, err = store.Secret(ctx, s.db, "fingerprints", s.now())
	return err
}

func (s *service) prepareHashing(reg *prometheus.Registry) {
	hashes := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "troupe_users_password_hashes_total", Help: "Password hashes computed.",
	})
	s.signIns = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_users_sign_ins_total", Help: "Attempts to sign in with a password, by how they ended.",
	}, []string{"result"})
	reg.MustRegister(hashes, s.signIns)
	s.policy = password.Policy{MinLength: s.MinPassword}
	s.hasher = password.NewHasher(s.hashCost(), runtime.GOMAXPROCS(0), hashes.Inc)
}

// sweep forgets what is over: sessions and failed attempts.
func (s *service) sweep(ctx context.Context) (int, error) {
	now := s.now()
	sessions, err := store.SweepSessions(ctx, s.db, now)
	if err != nil {
		return 0, err
	}
	attempts, err := store.SweepAttempts(ctx, s.db, now)
	return sessions + attempts, err
}

package auth

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestATokenIdentifiesItsCallerUntilItExpires(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newSigner(t, newKey(t))
	v := NewVerifier(VerifierConfig{Static: s.JWKS(), Now: c.Now})
	want := Caller{UserID: "ada", Role: Admin, SessionID: "session-1", Expires: start.Add(10 * time.Minute)}
	raw := sign(t, s, want, start)

	for range 2 { // the second time from the cache
		got, err := v.Verify(t.Context(), raw)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	c.advance(10*time.Minute + Skew - 1)
	requireAccepted(t, v, raw)
	c.advance(1)
	_, err := v.Verify(t.Context(), raw)
	require.ErrorIs(t, err, errExpiredToken)
}

func TestASignerUsesItsNewestKeyAndPublishesAll(t *testing.T) {
	t.Parallel()
	c := newClock()
	newest, older := newKey(t), newKey(t)
	s := newSigner(t, newest, older)
	parsed, err := parseKeySet(s.JWKS())
	require.NoError(t, err)
	require.Len(t, parsed.keys, 2)
	raw := c.token(t, s)
	requireAccepted(t, NewVerifier(VerifierConfig{Static: newSigner(t, newest).JWKS(), Now: c.Now}), raw)
	requireRefused(t, NewVerifier(VerifierConfig{Static: newSigner(t, older).JWKS(), Now: c.Now}), raw, fault.Unauthenticated)
	requireAccepted(t, NewVerifier(VerifierConfig{Static: s.JWKS(), Now: c.Now}), c.token(t, newSigner(t, older)))
	require.NotContains(t, string(s.JWKS()), `"d"`)

	for name, bad := range map[string][]PrivateKey{
		"none": {}, "no PEM": {{KeyID: "x", PEM: []byte("key")}}, "another id": {{KeyID: "x", PEM: newest.PEM}},
	} {
		_, err := NewSigner(bad...)
		require.Error(t, err, name)
	}
}

func TestARevokedSessionIsRefusedByEveryReplica(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		c := newClock()
		s := newSigner(t, newKey(t))
		here, there := NewRevocations(db, c.Now), NewRevocations(db, c.Now)
		v := NewVerifier(VerifierConfig{Static: s.JWKS(), Now: c.Now, Revocations: here})
		raw := c.token(t, s)
		requireAccepted(t, v, raw)
		step(t, there, 0)

		until := c.Now().Add(11 * time.Minute)
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, here.Revoke(ctx, tx, "session-1", until))
			require.False(t, here.Revoked("session-1"), "not before the transaction has committed")
			return nil
		}))
		_, err := v.Verify(t.Context(), raw)
		require.ErrorIs(t, err, errRevokedSession, "although the token is cached")
		require.False(t, there.Revoked("session-1"))
		step(t, there, 1)
		require.True(t, there.Revoked("session-1"))
		step(t, there, 0)

		restarted := NewRevocations(db, c.Now)
		step(t, restarted, 1)
		require.True(t, restarted.Revoked("session-1"))
		require.False(t, restarted.Revoked("session-2"))
	}, Migrations)
}

func TestARevocationThatIsRolledBackHasNoEffect(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := NewRevocations(db, newClock().Now)
		rollback := errors.New("roll back")
		require.ErrorIs(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, r.Revoke(ctx, tx, "session-1", start.Add(time.Hour)))
			return rollback
		}), rollback)
		step(t, r, 0)
		require.False(t, r.Revoked("session-1"))
	}, Migrations)
}

func TestARevocationThatCommitsLateIsStillLoaded(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		c := newClock()
		r := NewRevocations(db, c.Now)
		step(t, r, 0)
		// Another replica's clock is behind, or its transaction was slow.
		late := NewRevocations(db, func() time.Time { return c.Now().Add(-lookBack / 2) })
		revoke(t, db, late, "session-1", start.Add(time.Hour))
		c.advance(time.Second)
		step(t, r, 1)
		require.True(t, r.Revoked("session-1"))
	}, Migrations)
}

func TestRevocationsAreDeletedWhenTheirTokensHaveExpired(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		c := newClock()
		r := NewRevocations(db, c.Now)
		revoke(t, db, r, "short", start.Add(time.Minute))
		revoke(t, db, r, "long", start.Add(time.Hour))
		revoke(t, db, r, "long", start.Add(time.Minute)) // the same again, in another order
		c.advance(time.Minute)
		step(t, r, 1)
		require.False(t, r.Revoked("short"))
		require.True(t, r.Revoked("long"))
		var left int64
		require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM revoked_sessions`).Scan(&left))
		require.EqualValues(t, 1, left)
	}, Migrations)
}

func TestTheTokenCacheIsBounded(t *testing.T) {
	t.Parallel()
	c, keys := newTokenCache(), &keySet{}
	for n := range 3 * maxTokens {
		c.put(fmt.Sprint(n), keys, ada(start.Add(time.Hour)))
		_, kept := c.get("0", keys, start)
		require.True(t, kept, "a token in use stays cached")
	}
	require.LessOrEqual(t, len(c.young)+len(c.old), maxTokens)
	_, kept := c.get("1", keys, start)
	require.False(t, kept)
	_, kept = c.get("0", &keySet{}, start)
	require.False(t, kept, "another key set has not verified it")
}

func revoke(t *testing.T, db sqldb.DB, r *Revocations, session string, until time.Time) {
	t.Helper()
	require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error { return r.Revoke(ctx, tx, session, until) }))
}

func step(t *testing.T, r *Revocations, want int) {
	t.Helper()
	did, err := r.Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, did)
}

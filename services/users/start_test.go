package users_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/users"
)

// start starts a replica with these settings and returns what it logged.
func start(db sqldb.DB, environ map[string]string) (*app.Instance, string, error) {
	var log bytes.Buffer
	instance, err := app.NewInstance(users.Service, app.Dependencies{
		Environ: maps.Clone(environ), Version: "test", DB: db, Publisher: bus.Publisher(nil),
		Peers: map[string]string{}, Transport: http.DefaultTransport, Now: time.Now,
		NewID: func() string { return uuid.Must(uuid.NewV7()).String() },
		Log:   slog.New(slog.NewTextHandler(&log, nil)),
	})
	return instance, log.String(), err
}

func get(i *app.Instance, path string) string {
	w := httptest.NewRecorder()
	i.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}

func signInAt(i *app.Instance, email, password string) int {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(url.Values{"username": {email}, "password": {password}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	i.Handler.ServeHTTP(w, r)
	return w.Code
}

func TestTheFirstStartCreatesAnAdminAndLogsThePasswordOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		first, log, err := start(db, map[string]string{"USERS_ADMIN_EMAIL": "Boss@Example.com"})
		require.NoError(t, err)
		logged := regexp.MustCompile(`level=WARN .* email=boss@example.com password=(\S+)`).FindStringSubmatch(log)
		require.NotNil(t, logged, log)
		require.Equal(t, 200, signInAt(first, "boss@example.com", logged[1]))

		second, log, err := start(db, map[string]string{"USERS_ADMIN_EMAIL": "other@example.com", "USERS_ADMIN_PASSWORD": adminPassword})
		require.NoError(t, err)
		require.NotContains(t, log, "password")
		require.Equal(t, 200, signInAt(second, "boss@example.com", logged[1]))
		require.Equal(t, 401, signInAt(second, "other@example.com", adminPassword))
	}, app.Migrations(users.Service)...)
}

func TestConcurrentStartsShareKeysAndOneAdmin(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		keys := concurrently(5, func(int) string {
			i, _, err := start(db, map[string]string{"USERS_PASSWORD_HASH_COST": "insecure"})
			if err != nil {
				return err.Error()
			}
			return get(i, "/.well-known/jwks.json")
		})
		require.Len(t, count(keys), 1)
		require.Contains(t, keys[0], `"ES256"`)
		var admins int64
		require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM accounts WHERE role = 'admin'`).Scan(&admins))
		require.EqualValues(t, 1, admins)
	}, app.Migrations(users.Service)...)
}

func TestASignInRehashesAPasswordOfAnotherCost(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		settings := map[string]string{"USERS_ADMIN_PASSWORD": adminPassword, "USERS_PASSWORD_HASH_COST": "insecure"}
		cheap, _, err := start(db, settings)
		require.NoError(t, err)
		require.Equal(t, 200, signInAt(cheap, "admin@troupe.local", adminPassword))
		require.Contains(t, storedHash(t, db), "$m=8,t=1,p=1$")

		settings["USERS_PASSWORD_HASH_COST"] = "standard"
		standard, _, err := start(db, settings)
		require.NoError(t, err)
		require.Equal(t, 401, signInAt(standard, "admin@troupe.local", "wrong password"))
		require.Contains(t, storedHash(t, db), "$m=8,t=1,p=1$")
		require.Equal(t, 200, signInAt(standard, "admin@troupe.local", adminPassword))
		require.Contains(t, storedHash(t, db), "$m=19456,t=2,p=1$")
		require.Equal(t, 200, signInAt(standard, "admin@troupe.local", adminPassword))
	}, app.Migrations(users.Service)...)
}

func storedHash(t *testing.T, db sqldb.DB) (hash string) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), `SELECT password_hash FROM accounts`).Scan(&hash))
	return hash
}

func TestBadSettingsStopTheStart(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t, app.Migrations(users.Service)...)
	for name, c := range map[string]struct {
		environ map[string]string
		message string
	}{
		"passwords too short":               {map[string]string{"USERS_PASSWORD_MIN_LENGTH": "7"}, "USERS_PASSWORD_MIN_LENGTH is 7"},
		"unknown cost":                      {map[string]string{"USERS_PASSWORD_HASH_COST": "free"}, "USERS_PASSWORD_HASH_COST"},
		"idempotency keys kept for no time": {map[string]string{"IDEMPOTENCY_KEEP": "0s"}, "IDEMPOTENCY_KEEP"},
		"admin without an address":          {map[string]string{"USERS_ADMIN_EMAIL": "root"}, `USERS_ADMIN_EMAIL is "root"`},
		"admin with a weak password":        {map[string]string{"USERS_ADMIN_PASSWORD": "password1234"}, "USERS_ADMIN_PASSWORD"},
		"insecure hashes in production":     {map[string]string{"TROUPE_ENV": "production", "USERS_PASSWORD_HASH_COST": "insecure"}, "USERS_PASSWORD_HASH_COST"},
		"published password in production":  {map[string]string{"TROUPE_ENV": "production", "USERS_ADMIN_PASSWORD": "troupe-development-only"}, "USERS_ADMIN_PASSWORD"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := start(db, c.environ)
			require.ErrorContains(t, err, c.message)
		})
	}
	_, _, err := start(db, map[string]string{"USERS_ADMIN_PASSWORD": "troupe-development-only"})
	require.NoError(t, err)
}

func TestTheFormerNamesOfTheSettingsStillWork(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t, app.Migrations(users.Service)...)
	instance, log, err := start(db, map[string]string{
		"ADMIN_EMAIL": "boss@example.com", "ADMIN_PASSWORD": adminPassword, "PASSWORD_HASH_COST": "insecure",
		"PASSWORD_MIN_LENGTH": "20", "TRUST_FORWARDED_FOR": "false",
	})
	require.NoError(t, err)
	require.Equal(t, 200, signInAt(instance, "boss@example.com", adminPassword))
	require.Contains(t, storedHash(t, db), "$m=8,t=1,p=1$")
	for _, setting := range []string{
		"USERS_ADMIN_EMAIL", "USERS_ADMIN_PASSWORD", "USERS_PASSWORD_HASH_COST", "USERS_PASSWORD_MIN_LENGTH", "USERS_TRUST_FORWARDED_FOR",
	} {
		require.Contains(t, log, "setting="+setting, "a warning")
	}
}

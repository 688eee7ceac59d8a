package users_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
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

func TestTheFirstAdminsPasswordIsWrittenToAFileAndNoLog(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		file := filepath.Join(t.TempDir(), "secrets", "admin-password")
		first, log, err := start(db, map[string]string{"USERS_ADMIN_EMAIL": "Boss@Example.com", "USERS_ADMIN_PASSWORD_FILE": file, "LOG_LEVEL": "debug"})
		require.NoError(t, err)
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		plain := strings.TrimSpace(string(kept))
		require.Len(t, plain, 26)
		require.NotContains(t, log, plain)
		require.Equal(t, 200, signInAt(first, "boss@example.com", plain))

		second, log, err := start(db, map[string]string{"USERS_ADMIN_EMAIL": "other@example.com", "USERS_ADMIN_PASSWORD": adminPassword})
		require.NoError(t, err)
		require.NotContains(t, log, "password")
		require.Equal(t, 200, signInAt(second, "boss@example.com", plain))
		require.Equal(t, 400, signInAt(second, "other@example.com", adminPassword))
	}, app.Migrations(users.Service)...)
}

func TestTheFirstAdminsPasswordIsReadFromAFile(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t, app.Migrations(users.Service)...)
	file := filepath.Join(t.TempDir(), "mounted")
	for content, problem := range map[string]string{"\n": "is empty", "password1234\n": "the password is one of those"} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o400))
		_, _, err := start(db, map[string]string{"USERS_ADMIN_PASSWORD_FILE": file})
		require.ErrorContains(t, err, problem)
		require.NoError(t, os.Remove(file))
	}
	require.NoError(t, os.WriteFile(file, []byte(adminPassword+"\n"), 0o400))
	instance, _, err := start(db, map[string]string{"USERS_ADMIN_PASSWORD_FILE": file})
	require.NoError(t, err)
	require.Equal(t, 200, signInAt(instance, "admin@troupe.local", adminPassword))
}

// `echo password | base64` makes a secret that ends with a line feed (kubernetes/kubernetes#82327).
func TestTheLineFeedOfASecretIsNoPartOfThePassword(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		replica, _, err := start(db, map[string]string{"USERS_ADMIN_EMAIL": "boss@example.com\n", "USERS_ADMIN_PASSWORD": goodPassword + "\r\n"})
		require.NoError(t, err)
		require.Equal(t, 200, signInAt(replica, "boss@example.com", goodPassword))
	}, app.Migrations(users.Service)...)
}

func TestABlankAtTheEndOfASecretIsRefused(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		_, _, err := start(db, map[string]string{"USERS_ADMIN_PASSWORD": goodPassword + " "})
		require.EqualError(t, err, "users: USERS_ADMIN_PASSWORD begins or ends with a blank, which is easily lost: remove it, or choose another password")
		file := filepath.Join(t.TempDir(), "password")
		require.NoError(t, os.WriteFile(file, []byte(" "+goodPassword+"\n"), 0o600))
		_, _, err = start(db, map[string]string{"USERS_ADMIN_PASSWORD_FILE": file})
		require.ErrorContains(t, err, "the file of USERS_ADMIN_PASSWORD_FILE begins or ends with a blank")
	}, app.Migrations(users.Service)...)
}

func TestWithoutAPasswordThereIsNoAdminYet(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t, app.Migrations(users.Service)...)
	_, log, err := start(db, nil)
	require.NoError(t, err)
	require.Contains(t, log, "there is no admin; set USERS_ADMIN_PASSWORD")
	later, log, err := start(db, map[string]string{"USERS_ADMIN_PASSWORD": adminPassword})
	require.NoError(t, err)
	require.NotContains(t, log, "there is no admin")
	require.Equal(t, 200, signInAt(later, "admin@troupe.local", adminPassword))
}

func TestConcurrentStartsShareKeysAndOneAdmin(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		keys := concurrently(5, func(int) string {
			i, _, err := start(db, map[string]string{"USERS_PASSWORD_HASH_COST": "insecure", "USERS_ADMIN_PASSWORD": adminPassword})
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
		require.Equal(t, 400, signInAt(standard, "admin@troupe.local", "wrong password"))
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
		"registrations below 0":             {map[string]string{"USERS_REGISTRATIONS_PER_MINUTE": "-1"}, "USERS_REGISTRATIONS_PER_MINUTE is -1"},
		"unknown version of an event":       {map[string]string{"USERS_SESSION_REVOKED_VERSION": "3"}, "USERS_SESSION_REVOKED_VERSION is 3"},
		"no password file":                  {map[string]string{"USERS_ADMIN_PASSWORD_FILE": "/proc/none/x"}, "USERS_ADMIN_PASSWORD_FILE"},
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

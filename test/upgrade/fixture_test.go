package upgrade_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/sqldb"
	"troupe/test/cluster"
	"troupe/test/invariants"
)

// fixture is what make-fixture packed.
type fixture struct {
	files   map[string][]byte          // the databases: orders.db, or orders.sql
	answers map[string]json.RawMessage // what the API last answered, by the name that make-fixture gave it
}

func unpack(t *testing.T, archive string) fixture {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", archive))
	require.NoError(t, err)
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	f := fixture{files: map[string][]byte{}}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		f.files[filepath.Base(header.Name)], err = io.ReadAll(files)
		require.NoError(t, err)
	}
	require.NoError(t, json.Unmarshal(f.files["answers.json"], &f.answers))
	return f
}

// named returns the names of answers that begin with prefix, without it, sorted.
func (f fixture) named(prefix string) (names []string) {
	for name := range f.answers {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

// decode decodes an answer of the earlier version.
func (f fixture) decode(t *testing.T, answer string, into any) {
	t.Helper()
	require.Contains(t, f.answers, answer)
	require.NoError(t, json.Unmarshal(f.answers[answer], into))
}

// has reports whether the earlier version had a service.
func (f fixture) has(service string) bool {
	return f.files[service+".db"] != nil || f.files[service+".sql"] != nil
}

// age returns how long ago the earlier version was stopped.
func (f fixture) age(t *testing.T) time.Duration {
	t.Helper()
	var stopped int64
	f.decode(t, "stopped", &stopped)
	return time.Since(time.UnixMicro(stopped))
}

// The passwords were hashed at the standard cost, and have to be checked at it.
var settings = []string{"PASSWORD_HASH_COST=standard"}

func onSQLite(t *testing.T) *upgraded {
	t.Helper()
	f, dir := unpack(t, "sqlite.tar.gz"), t.TempDir()
	for _, service := range cluster.Backends() {
		if !f.has(service) {
			continue
		}
		file := filepath.Join(dir, service+".db")
		require.NoError(t, os.WriteFile(file, f.files[service+".db"], 0o600))
		f.rejuvenate(t, "sqlite://"+file, `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'BIGINT'`)
	}
	return &upgraded{fixture: f, Cluster: cluster.Start(t, cluster.Config{Kind: cluster.InTest, Data: dir, Settings: settings})}
}

func onPostgres(t *testing.T) *upgraded {
	t.Helper()
	f := unpack(t, "postgres.tar.gz")
	server := cluster.CreateDatabase(t)
	databases := map[string]string{}
	for _, service := range cluster.Backends() {
		u, err := url.Parse(server)
		require.NoError(t, err)
		u.Path += "_" + service
		databases[service] = u.String()
		execute(t, server, "CREATE DATABASE "+strings.TrimPrefix(u.Path, "/"))
		if !f.has(service) {
			continue
		}
		execute(t, databases[service], string(f.files[service+".sql"]))
		f.rejuvenate(t, databases[service], `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'bigint'`)
	}
	return &upgraded{fixture: f, Cluster: cluster.Start(t, cluster.Config{Kind: cluster.Replicated, Databases: databases, Settings: settings})}
}

// execute runs SQL statements, several if need be.
func execute(t *testing.T, database, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.PgConn().Exec(t.Context(), statements).ReadAll()
	require.NoError(t, err)
}

// rejuvenate moves the times in a database as if the earlier version had just been
// stopped; otherwise idempotency keys, deadlines and sessions would have expired.
// columns is a query for the table and the name of each column that may hold a time.
// No number but a time in microseconds is as great as these.
func (f fixture) rejuvenate(t *testing.T, database, columns string) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), database, sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	const year2001 int64 = 1_000_000_000_000_000
	statements, err := sqldb.All(t.Context(), db, func(r sqldb.Row) (string, error) {
		var table, column string
		err := r.Scan(&table, &column)
		return fmt.Sprintf("UPDATE %s SET %[2]s = %[2]s + $1 WHERE %[2]s > %[3]d", table, column, year2001), err
	}, columns)
	require.NoError(t, err)
	require.NotEmpty(t, statements)
	for _, statement := range statements {
		_, err := db.Exec(t.Context(), statement, f.age(t).Microseconds())
		require.NoError(t, err, statement)
	}
}

// open opens the databases of all services.
func (s *upgraded) open(t *testing.T) invariants.Databases {
	t.Helper()
	all, err := s.OpenDatabases(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, db := range all {
			require.NoError(t, db.Close())
		}
	})
	return all
}

// postForm posts a form, and returns an error response as a *client.Problem.
func postForm(t *testing.T, address string, form url.Values) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	if response.StatusCode < http.StatusBadRequest {
		return nil
	}
	problem := &client.Problem{}
	require.NoError(t, json.NewDecoder(response.Body).Decode(problem))
	return problem
}

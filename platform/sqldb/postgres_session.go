package sqldb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"troupe/platform/ascii"
)

// setting is a setting of a session on which the meaning of the services' SQL depends. The
// role, the database or the configuration of the server may have another value.
type setting struct {
	name, value string
	tracked     bool // PgBouncer passes it on from its client to the server
	limit       bool // the database URL may set another value
	optional    bool // it is sent only if the server has another value
}

var settings = []setting{
	{name: "client_encoding", value: "UTF8", tracked: true},
	{name: "standard_conforming_strings", value: "on", tracked: true},
	{name: "DateStyle", value: "ISO, MDY", tracked: true},
	{name: "TimeZone", value: "UTC", tracked: true},
	{name: "bytea_output", value: "hex"},
	{name: "default_transaction_isolation", value: "read committed"},
	{name: "statement_timeout", value: "0", limit: true},
	{name: "lock_timeout", value: "0", limit: true},
	{name: "idle_in_transaction_session_timeout", value: "0", limit: true},
	{name: "transaction_timeout", value: "0", limit: true, optional: true}, // since PostgreSQL 17
	{name: "synchronous_commit", value: "on", optional: true},              // any value but off is durable
	{name: "session_replication_role", value: "origin", optional: true},    // otherwise the triggers do not run
}

// session is what the first session shows about all of them.
type session struct {
	version             int
	encoding            string
	role, database      string
	searchPath          string
	readOnly, inStandby bool
	pooled              bool              // another program shares the server's sessions among its clients
	values, sources     map[string]string // of the settings, by name
}

// sessionConfig returns the configuration of sessions: of PostgreSQL itself, which takes
// all settings, or of a pooler, which takes few and keeps no prepared statements.
func sessionConfig(c *pgx.ConnConfig, pooled bool) *pgx.ConnConfig {
	c = c.Copy()
	for _, s := range settings {
		if s.optional || pooled && !s.tracked || s.limit && parameter(c, s.name) != "" {
			continue
		}
		setParameter(c, s.name, s.value)
	}
	if pooled && c.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		c.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	return c
}

// parameter returns a parameter of the sessions' start, "" if it is not set.
func parameter(c *pgx.ConnConfig, name string) string {
	for key, value := range c.RuntimeParams {
		if ascii.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

func setParameter(c *pgx.ConnConfig, name, value string) {
	maps.DeleteFunc(c.RuntimeParams, func(key, _ string) bool { return ascii.EqualFold(key, name) })
	c.RuntimeParams[name] = value
}

// inspect opens a session and returns what it shows. A pooler invents the process id
// that it sends to its clients.
func inspect(ctx context.Context, c *pgx.ConnConfig) (session, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return session{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // its work is done
	s := session{values: map[string]string{}, sources: map[string]string{}}
	var pid int32
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_backend_pid(), current_setting('server_encoding'), current_user, current_database(),
		current_setting('search_path'), current_setting('transaction_read_only') = 'on', pg_is_in_recovery()`,
		pgx.QueryExecModeExec).Scan(&s.version, &pid, &s.encoding, &s.role, &s.database, &s.searchPath, &s.readOnly, &s.inStandby)
	if err != nil {
		return session{}, err
	}
	s.pooled = conn.PgConn().PID() != uint32(pid)
	return s, s.readSettings(ctx, conn)
}

func (s *session) readSettings(ctx context.Context, conn *pgx.Conn) error {
	names := []string{"'default_transaction_read_only'"}
	for _, one := range settings {
		names = append(names, "'"+one.name+"'")
	}
	rows, err := conn.Query(ctx, "SELECT name, setting, source FROM pg_settings WHERE name IN ("+strings.Join(names, ", ")+")", pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value, source string
		if err := rows.Scan(&name, &value, &source); err != nil {
			return err
		}
		s.values[name], s.sources[name] = value, source
	}
	return rows.Err()
}

// refusal is a sentence about something that only a person can correct.
type refusal string

func (r refusal) Error() string { return string(r) }

// readOnlyError reports a server that takes no writes for the time being.
type readOnlyError string

func (e readOnlyError) Error() string { return string(e) }

// check adds to c the settings that differ, and returns an error if the services cannot
// work in such sessions.
func (s *session) check(c *pgx.ConnConfig) error {
	wantedPath := parameter(c, "search_path")
	switch {
	case s.encoding != "UTF8":
		return refusal(fmt.Sprintf("database %q has the encoding %s, which does not store every text: create another one with "+
			"createdb --encoding=UTF8 --template=template0", s.database, s.encoding))
	case wantedPath != "" && wantedPath != s.searchPath:
		return refusal("the pooler in front of PostgreSQL ignores search_path in the database URL: remove it there, and run " +
			s.alterRole("search_path", quoted(wantedPath)))
	}
	if err := s.checkWritable(); err != nil {
		return err
	}
	return s.checkSettings(c)
}

// checkWritable distinguishes a role or a database that is meant to be read-only from a
// server that is so for the time being.
func (s *session) checkWritable() error {
	if !s.readOnly {
		return nil
	}
	if s.inStandby {
		return readOnlyError("the server is a standby, which takes no writes: wait for its promotion, or correct the database URL")
	}
	if slices.Contains([]string{"user", "database", "database user"}, s.sources["default_transaction_read_only"]) {
		return refusal(fmt.Sprintf("PostgreSQL lets user %q only read in database %q: run %s", s.role, s.database,
			s.alterRole("default_transaction_read_only", "off")))
	}
	return readOnlyError("the server takes no writes: default_transaction_read_only is on")
}

// checkSettings adds to c the optional settings that differ. A pooler would not pass
// them on, so there the role must have them.
func (s *session) checkSettings(c *pgx.ConnConfig) error {
	var remedies []string
	for _, one := range settings {
		value, known := s.values[one.name]
		switch {
		case !known, value == one.value, one.limit && parameter(c, one.name) != "":
		case one.name == "synchronous_commit" && value != "off":
		case one.optional && !s.pooled:
			setParameter(c, one.name, one.value)
		default:
			remedies = append(remedies, s.alterRole(one.name, quoted(one.value)))
		}
	}
	if len(remedies) == 0 {
		return nil
	}
	return refusal("there is a pooler in front of PostgreSQL, which does not pass on the settings that Troupe needs, and those of the role differ: run " +
		strings.Join(remedies, "; "))
}

// alterRole returns the statement that sets a setting for the role in this database.
func (s *session) alterRole(name, value string) string {
	return fmt.Sprintf("ALTER ROLE %s IN DATABASE %s SET %s = %s",
		pgx.Identifier{s.role}.Sanitize(), pgx.Identifier{s.database}.Sanitize(), name, value)
}

func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

package sqldb

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	defaultMaxConns = 16
	maxConnsInURL   = "pool_max_conns"
)

// errPostgresURL contains no part of the URL: in a broken one it is impossible to know
// which part is the password.
var errPostgresURL = errors.New("database URL is not understood: use postgres://user:password@host:5432/database, " +
	"with special characters in user and password percent-encoded (%40 for @, %2F for /, %3A for :, %3F for ?, %25 for %)")

// urlParameters are the parameters whose values can be wrong. Only these names may be
// shown, because in a broken URL a name may be part of a password.
var urlParameters = []string{
	"sslmode", "sslrootcert", "sslcert", "sslkey", "sslnegotiation", "connect_timeout", "target_session_attrs",
	"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity",
	maxConnsInURL, "pool_min_conns", "pool_min_idle_conns", "pool_max_conn_lifetime", "pool_max_conn_lifetime_jitter",
	"pool_max_conn_idle_time", "pool_health_check_period", "pool_ping_timeout",
}

// parsePostgres reads a database URL, which may have pgx's pool parameters.
func parsePostgres(url string, maxConns int) (*pgxpool.Config, error) {
	if !isUnambiguous(url) {
		return nil, errPostgresURL
	}
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, parameterError(url)
	}
	inURL, err := maxConnsOf(url)
	if err != nil {
		return nil, err
	}
	c.MaxConns = int32(cmp.Or(maxConns, inURL, defaultMaxConns))
	return c, nil
}

// isUnambiguous reports whether it is clear where the password in the URL ends. If a
// password contains an unescaped / or @, the driver ends it there and takes the rest for
// the name of a host or a database, which errors and logs show.
func isUnambiguous(url string) bool {
	scheme, rest, _ := strings.Cut(url, "://")
	before, after, ok := strings.Cut(rest, "@")
	return (scheme == "postgres" || scheme == "postgresql") &&
		(!ok || !strings.Contains(before, "/") && !strings.Contains(after, "@"))
}

// parameterError returns the error for a URL that the driver refuses. It names the
// parameter whose value is wrong, if it is a single one, and shows no value.
func parameterError(url string) error {
	base, query, _ := strings.Cut(url, "?")
	if _, err := pgxpool.ParseConfig(base); err != nil {
		return errPostgresURL
	}
	all := strings.Split(query, "&")
	for i, one := range all {
		name, _, _ := strings.Cut(one, "=")
		if !slices.Contains(urlParameters, name) {
			continue
		}
		others := slices.Delete(slices.Clone(all), i, i+1)
		if _, err := pgxpool.ParseConfig(base + "?" + strings.Join(others, "&")); err == nil {
			return fmt.Errorf("database URL: the value of its parameter %s cannot be used", name)
		}
	}
	return errors.New("database URL: the parameters after its ? cannot be used")
}

// maxConnsOf returns the size of the pool that the URL asks for, 0 if it asks for none.
// The pool's own configuration has a default in that case.
func maxConnsOf(url string) (int, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return 0, errPostgresURL
	}
	value, ok := c.RuntimeParams[maxConnsInURL]
	if !ok {
		return 0, nil
	}
	return strconv.Atoi(value)
}

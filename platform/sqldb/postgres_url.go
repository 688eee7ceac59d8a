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

// errPostgresURL repeats nothing of the URL: where one is broken, nobody can say
// which part of it is the password.
var errPostgresURL = errors.New("database URL is not understood: use postgres://user:password@host:5432/database, " +
	"with special characters in user and password percent-encoded (%40 for @, %2F for /, %3A for :, %3F for ?, %25 for %)")

// urlParameters are those with values that can be wrong, whose names may be shown.
var urlParameters = []string{
	"sslmode", "sslrootcert", "sslcert", "sslkey", "sslnegotiation", "connect_timeout", "target_session_attrs",
	"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity",
	maxConnsInURL, "pool_min_conns", "pool_min_idle_conns", "pool_max_conn_lifetime", "pool_max_conn_lifetime_jitter",
	"pool_max_conn_idle_time", "pool_health_check_period", "pool_ping_timeout",
}

// parsePostgres reads a database URL, with pgx's parameters of the pool.
func parsePostgres(url string, maxConns int) (*pgxpool.Config, error) {
	if !isUnambiguous(url) {
		return nil, errPostgresURL
	}
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, refused(url)
	}
	inURL, err := maxConnsOf(url)
	if err != nil {
		return nil, err
	}
	c.MaxConns = int32(cmp.Or(maxConns, inURL, defaultMaxConns))
	return c, nil
}

// isUnambiguous refuses what the driver would take for a URL with a password cut
// short at its first / or @, and the rest of it for the name of a host or a
// database, which everybody may read in errors and logs.
func isUnambiguous(url string) bool {
	scheme, rest, _ := strings.Cut(url, "://")
	before, after, ok := strings.Cut(rest, "@")
	return (scheme == "postgres" || scheme == "postgresql") &&
		(!ok || !strings.Contains(before, "/") && !strings.Contains(after, "@"))
}

// refused names the parameter that is wrong, if it is one, and no value.
func refused(url string) error {
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
			return fmt.Errorf("database URL: the value of its parameter %s can not be used", name)
		}
	}
	return errors.New("database URL: what follows its ? can not be used")
}

// maxConnsOf is what the URL says about the size of the pool, 0 if nothing.
// The pool's own configuration does not tell that from a default.
func maxConnsOf(url string) (int, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return 0, errPostgresURL
	}
	said, ok := c.RuntimeParams[maxConnsInURL]
	if !ok {
		return 0, nil
	}
	return strconv.Atoi(said)
}

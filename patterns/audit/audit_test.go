package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/platform/telemetry"
	"troupe/platform/timestamp"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// payments is a service with an audit log, and a clock.
type payments struct {
	*audit.Log
	db  sqldb.DB
	now time.Time
}

func eachDatabase(t *testing.T, test func(t *testing.T, s *payments)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) { test(t, newPayments(db)) }, audit.Migrations)
}

func newPayments(db sqldb.DB) *payments {
	s := &payments{db: db, now: noon}
	s.Log = audit.New(audit.Config{
		Service: "payments", DB: db, Now: func() time.Time { return s.now },
		NewID: func() string { return uuid.Must(uuid.NewV7()).String() }, Log: slog.New(slog.DiscardHandler),
	})
	return s
}

func (s *payments) refund(ctx context.Context, id string, fail error) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := s.Record(ctx, tx, audit.Entry{Action: "refund_payment", Target: id}); err != nil {
			return err
		}
		return fail
	})
}

func (s *payments) entries(t *testing.T, f audit.Filter) []audit.View {
	t.Helper()
	entries, err := s.List(t.Context(), f, 1000)
	require.NoError(t, err)
	return entries
}

func targets(entries []audit.View) []string {
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Target)
	}
	return names
}

func asRoot(ctx context.Context) context.Context {
	return auth.WithCaller(telemetry.WithRequestID(ctx, "r1"), auth.Caller{UserID: "root", Role: auth.Admin})
}

func TestAnActionAndItsEntryAreOneTransaction(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *payments) {
		require.NoError(t, s.refund(asRoot(t.Context()), "p1", nil))
		require.Error(t, s.refund(asRoot(t.Context()), "p2", errors.New("the provider is away")))
		entries := s.entries(t, audit.Filter{})
		require.Len(t, entries, 1)
		entries[0].ID = ""
		require.Equal(t, audit.View{
			At: timestamp.Of(noon), Action: "refund_payment", Outcome: "ok", Actor: "root", Role: "admin", Target: "p1", RequestID: "r1",
		}, entries[0])
	})
}

func TestTheDatabaseRefusesToChangeTheLog(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *payments) {
		require.NoError(t, s.refund(asRoot(t.Context()), "p1", nil))
		for _, statement := range []string{
			"UPDATE audit_log SET actor = 'somebody else'",
			"DELETE FROM audit_log",
			"DELETE FROM audit_log WHERE service = 'payments'",
		} {
			_, err := s.db.Exec(t.Context(), statement)
			require.ErrorContains(t, err, "the audit log is append-only", statement)
		}
		require.Equal(t, []string{"p1"}, targets(s.entries(t, audit.Filter{Actor: "root"})))
	})
}

func TestEntriesAreDeletedOnlyWhenTheirRetentionIsOver(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *payments) {
		keep := 400 * 24 * time.Hour
		require.NoError(t, s.refund(asRoot(t.Context()), "old", nil))
		s.now = noon.Add(time.Hour)
		require.NoError(t, s.refund(asRoot(t.Context()), "young", nil))
		s.now = noon.Add(keep + time.Minute)
		n, err := s.Retention(keep).Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, []string{"young"}, targets(s.entries(t, audit.Filter{})))
		_, err = s.db.Exec(t.Context(), "DELETE FROM audit_log")
		require.ErrorContains(t, err, "append-only")
		_, err = s.db.Exec(t.Context(), "UPDATE audit_retention SET keep_from = keep_from - 1")
		require.ErrorContains(t, err, "only moves forward")
	})
}

func TestStrangersCannotFillTheDiskWithRefusals(t *testing.T) {
	t.Parallel()
	s := newPayments(sqldbtest.SQLite(t, audit.Migrations))
	refuse := func(n int) {
		for i := range n {
			s.Refuse(t.Context(), audit.Entry{Action: "sign_in", Outcome: audit.Refused, Target: fmt.Sprint("user ", i)})
		}
	}
	refuse(5000)
	require.Len(t, s.entries(t, audit.Filter{}), 300, "the first are recorded")
	s.now = noon.Add(time.Second)
	refuse(1000)
	entries := s.entries(t, audit.Filter{})
	require.Len(t, entries, 300+5+1, "five for the second, and one that states how many are missing")
	left := s.entries(t, audit.Filter{Action: "leave_out_refusals"})
	require.Len(t, left, 1)
	require.Contains(t, left[0].Detail, "4700 refusals")
	require.NoError(t, s.refund(asRoot(t.Context()), "p1", nil), "what succeeds is always recorded")
}

func TestARefusalIsRecordedEvenIfTheClientHasGone(t *testing.T) {
	t.Parallel()
	s := newPayments(sqldbtest.SQLite(t, audit.Migrations))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s.Refuse(gone, audit.Entry{Action: "sign_in", Outcome: audit.Throttled, Target: "ada"})
	require.Equal(t, []string{"ada"}, targets(s.entries(t, audit.Filter{Outcome: "throttled"})))
}

func TestAnEntryNamesTheClientAndThePeer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		forwarded []string
		client    string
	}{
		"through the gateway":               {[]string{"203.0.113.9"}, "203.0.113.9"},
		"with what the client claimed":      {[]string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		"with two headers":                  {[]string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		"IPv4 written as IPv6":              {[]string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"without the gateway":               {nil, "192.0.2.1"},
		"with something that is no address": {[]string{"'; DROP TABLE audit_log"}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPayments(sqldbtest.SQLite(t, audit.Migrations))
			handler := audit.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				require.False(t, audit.Recorded(r.Context()))
				require.NoError(t, s.refund(r.Context(), "p1", nil))
				require.True(t, audit.Recorded(r.Context()))
			}))
			r := httptest.NewRequest(http.MethodPost, "/payments/p1/refund", http.NoBody) // from 192.0.2.1
			for _, value := range c.forwarded {
				r.Header.Add("X-Forwarded-For", value)
			}
			handler.ServeHTTP(httptest.NewRecorder(), r)
			entry := s.entries(t, audit.Filter{ClientAddress: c.client})[0]
			require.Equal(t, "192.0.2.1", entry.PeerAddress)
		})
	}
}

func TestTheLogIsFilteredAndPaged(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *payments) {
		for i := range 5 {
			s.now = noon.Add(time.Duration(i) * time.Hour)
			require.NoError(t, s.refund(asRoot(t.Context()), fmt.Sprint("p", i), nil))
		}
		s.Refuse(t.Context(), audit.Entry{Action: "sign_in", Outcome: audit.Refused})
		for want, f := range map[string]audit.Filter{
			"[p4 p3 p2 p1 p0]": {Action: "refund_payment"},
			"[p3]":             {Target: "p3"},
			"[p2 p1]":          {Since: noon.Add(time.Hour), Until: noon.Add(3 * time.Hour)},
			"[]":               {Outcome: "refused", Action: "refund_payment"},
		} {
			require.Equal(t, want, fmt.Sprint(targets(s.entries(t, f))))
		}
		first, err := s.List(t.Context(), audit.Filter{Actor: "root"}, 3)
		require.NoError(t, err)
		second, err := s.List(t.Context(), audit.Filter{Actor: "root", Before: first[2].ID}, 3)
		require.NoError(t, err)
		require.Equal(t, []string{"p4", "p3", "p2", "p1", "p0"}, append(targets(first), targets(second)...))
	})
}

func TestLongAndBrokenTextIsRecordedShortened(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *payments) {
		long := make([]byte, 300)
		for i := range long {
			long[i] = 0xe4
		}
		s.Refuse(t.Context(), audit.Entry{Action: "sign_in", Target: "a\x00b", Detail: string(long)})
		entries := s.entries(t, audit.Filter{})
		require.Len(t, entries, 1)
		require.Equal(t, "a?b", entries[0].Target)
	})
}

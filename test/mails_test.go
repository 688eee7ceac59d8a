package test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/test/cluster"
	"troupe/test/invariants"
)

// mailSystem is the notifications service alone, with a broker whose connections can be
// cut, and an SMTP server.
type mailSystem struct {
	cluster *cluster.Cluster
	proxy   *rabbittest.Proxy
	broker  *rabbit.Bus // past the proxy
	db      sqldb.DB
	smtp    *smtpServer
	// application is the name of the sessions that the service has in PostgreSQL.
	application string
}

func startMailSystem(t *testing.T) *mailSystem {
	t.Helper()
	broker := rabbittest.URL(t)
	database, available := sqldbtest.URLs(t)["postgres"]
	if !available {
		t.Skip("this test needs PostgreSQL")
	}
	binary, err := program()
	require.NoError(t, err)
	s := &mailSystem{application: "mails-" + uuid.NewString(), proxy: rabbittest.NewProxy(t, broker), smtp: startSMTPServer(t)}
	s.cluster, err = cluster.New(cluster.Config{
		Kind: cluster.ProcessPerService, Program: binary, AMQP: s.proxy.URL, Output: t.Output(),
		Databases: map[string]string{"notifications": withApplicationName(t, database, s.application)},
		Settings: []string{
			"LOG_LEVEL=error", "NOTIFICATIONS_SMTP_URL=smtp://" + s.smtp.address, "NOTIFICATIONS_DKIM=false",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.cluster.Stop()) })
	require.NoError(t, s.cluster.Start(t.Context(), "notifications")) // which makes its tables and its queue
	s.broker, err = rabbit.Open(t.Context(), rabbit.Config{URL: broker, Name: "test", Topology: events.Topology, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.broker.Close()) })
	s.db, err = sqldb.Open(t.Context(), database, sqldb.Options{MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.db.Close()) })
	return s
}

// publish publishes payloads, each as an event of its own.
func (s *mailSystem) publish(t *testing.T, payloads ...event.Payload) {
	t.Helper()
	messages := make([]bus.Message, len(payloads))
	for i, p := range payloads {
		e, err := event.New(uuid.Must(uuid.NewV7()).String(), "test", time.Now(), p)
		require.NoError(t, err)
		body, err := event.Encode(e)
		require.NoError(t, err)
		messages[i] = bus.Message{ID: e.ID, Type: e.Type, Body: body}
	}
	for _, err := range s.broker.Publish(t.Context(), messages) {
		require.NoError(t, err)
	}
}

// count returns the number of deliveries that match a condition.
func (s *mailSystem) count(t *testing.T, condition string) (n int) {
	t.Helper()
	require.NoError(t, s.db.QueryRow(t.Context(), "SELECT COUNT(*) FROM deliveries WHERE "+condition).Scan(&n))
	return n
}

// withApplicationName returns the URL of a database whose sessions have the name in PostgreSQL.
func withApplicationName(t *testing.T, database, name string) string {
	t.Helper()
	at, err := url.Parse(database)
	require.NoError(t, err)
	query := at.Query()
	query.Set("application_name", name)
	at.RawQuery = query.Encode()
	return at.String()
}

// restart kills the process, ends the leases that it held, and starts it again. PostgreSQL
// may still commit for a while what the process has sent, and so lease mails.
func (s *mailSystem) restart(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cluster.Kill("notifications"))
	require.Eventually(t, func() bool { return s.endSessions(t) == 0 }, 3*time.Minute, 10*time.Millisecond)
	require.NoError(t, invariants.ExpireDeliveries(t.Context(), s.db))
	require.NoError(t, s.cluster.Start(t.Context(), "notifications"))
}

// endSessions ends the sessions of the service in PostgreSQL, and returns how many there
// were. Other tests have schemas of the same database.
func (s *mailSystem) endSessions(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, s.db.QueryRow(t.Context(), `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name = $1`, s.application).Scan(&n))
	return n
}

// mailKills returns how many events the test below publishes, and how often it kills.
func mailKills() (published, kills int) {
	if os.Getenv("CI") == "true" || os.Getenv("TROUPE_LONG") != "" {
		return 10_000, 50
	}
	return 1_000, 6
}

// ended is the condition that a delivery has ended.
const ended = "next_at IS NULL AND state <> 'sending'"

// The service is killed and its connections to the broker are cut at random moments, while
// customers are to be notified of thousands of events.
func TestKillsAndCutConnectionsLoseNoMail(t *testing.T) {
	t.Parallel()
	published, kills := mailKills()
	s := startMailSystem(t)
	const user = "01900000-0000-7000-8000-00000000ada0"
	s.publish(t, events.UserRegistered{UserID: user, Email: "ada@example.test", Name: "Ada", Locale: "en", Version: 1})
	for round := range kills {
		payloads := make([]event.Payload, published/kills)
		for i := range payloads {
			payloads[i] = events.OrderShipped{OrderID: fmt.Sprintf("%d-%d", round, i), UserID: user}
		}
		s.publish(t, payloads...)
		if round%2 == 0 {
			s.proxy.Cut()
		}
		// at a random moment of the round's work
		moment := 1 + round*len(payloads) + rand.IntN(len(payloads))
		require.Eventually(t, func() bool { return s.count(t, ended) >= moment }, 3*time.Minute, time.Millisecond)
		s.restart(t)
	}
	want := 1 + kills*(published/kills)
	require.Eventually(t, func() bool { return s.count(t, ended) == want }, 2*time.Minute, 50*time.Millisecond,
		"%d of %d mails have ended", s.count(t, ended), want)

	require.Equal(t, want, s.count(t, "state = 'sent'"), "no mail is lost")
	s.smtp.mu.Lock()
	require.Len(t, s.smtp.received, want)
	s.smtp.mu.Unlock()
	s.smtp.requireReceived(t, s.db)
}

package submission_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/smtp/smtptest"
	"troupe/services/notifications/internal/submission"
)

// clock is a time that the test moves on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// timeout is longer than a conversation takes on a busy machine: three are waited for.
const timeout = 2 * time.Second

type fixture struct {
	*submission.Servers
	clock    *clock
	log      *bytes.Buffer
	journal  *journal.Journal
	circuits *[]string // the changes that were recorded
}

func start(t *testing.T, rate int, servers ...*smtptest.Server) fixture {
	t.Helper()
	f := fixture{clock: &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}, log: &bytes.Buffer{}, circuits: &[]string{}}
	f.journal = journal.New(journal.Config{Instance: "host:1", PerSecond: 1000, Now: f.clock.Now})
	f.journal.SendTo(func(records []journal.Record) error {
		for _, r := range records {
			*f.circuits = append(*f.circuits, r.Breaker.Dependency+" "+r.Breaker.To)
		}
		return nil
	})
	var parsed []*smtp.Server
	for _, s := range servers {
		server, err := smtp.ParseURL("smtp://"+s.Addr, false)
		require.NoError(t, err)
		server.CommandTimeout, server.DotTimeout = timeout, timeout
		parsed = append(parsed, server)
	}
	f.Servers = submission.New(submission.Config{
		Servers: parsed, PerDomain: 2, Rate: rate, Now: f.clock.Now,
		Log: slog.New(slog.NewTextHandler(f.log, nil)), Registry: prometheus.NewRegistry(), Journal: f.journal.Recorder("notifications"),
	})
	return f
}

// send sends one mail in a batch of its own.
func (f fixture) send(t *testing.T, to string) submission.Result {
	t.Helper()
	batch := f.NewBatch()
	defer batch.Close()
	m := smtp.Message{ID: "019b", Date: f.clock.Now(), Subject: "Hello", Text: "Hello", HTML: "<p>Hello</p>"}
	var err error
	m.From, err = smtp.Address("Shop", "hello@shop.test")
	require.NoError(t, err)
	m.To, err = smtp.Address("", to)
	require.NoError(t, err)
	return batch.Send(t.Context(), m, func() error { return nil })
}

func always(at delivery.Phase, f smtptest.Fault) func(delivery.Phase, smtptest.Mail) (smtptest.Fault, bool) {
	return func(phase delivery.Phase, _ smtptest.Mail) (smtptest.Fault, bool) { return f, phase == at }
}

func TestAnErrorIsLoggedOnceAndNamesTheSetting(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	f := start(t, 0, server)
	server.FailAlways(always(delivery.Rcpt, smtptest.Fault{Reply: "504 5.5.2 <vm>: Helo command rejected: need fully-qualified hostname"}))
	for range 10 {
		f.send(t, "ada@example.test")
	}
	require.Equal(t, 1, strings.Count(f.log.String(), "level=ERROR"), f.log.String())
	require.Contains(t, f.log.String(), "NOTIFICATIONS_MAIL_HELO")
	require.Equal(t, 1, strings.Count(f.log.String(), "level=WARN"), f.log.String())
	require.Zero(t, f.Capacity(25))

	server.FailAlways(nil)
	f.clock.advance(time.Minute)
	require.Equal(t, 1, f.Capacity(25), "one mail tries whether it is over")
	require.Equal(t, delivery.Sent, f.send(t, "ada@example.test").State)
	_, err := f.journal.Step(t.Context())
	require.NoError(t, err)
	name := "mail server " + server.Addr
	require.Equal(t, []string{name + " OPEN", name + " HALF_OPEN", name + " CLOSED"}, *f.circuits, "what the console shows")
	require.Equal(t, 25, f.Capacity(25))
	require.True(t, f.Recovered())
	require.False(t, f.Recovered(), "it is reported once")
}

func TestTheNextServerTakesWhatTheFirstRefuses(t *testing.T) {
	t.Parallel()
	first, second := smtptest.Start(t, smtptest.Options{}), smtptest.Start(t, smtptest.Options{})
	f := start(t, 0, first, second)
	first.FailAlways(always(delivery.Mail, smtptest.Fault{Reply: "550 5.7.0 Hourly quota exceeded"}))
	for range 12 {
		require.Equal(t, delivery.Sent, f.send(t, "ada@example.test").State)
	}
	require.Len(t, second.Mails(), 12)
	require.Equal(t, 25, f.Capacity(25), "the queue does not pause")
	require.Equal(t, 5, first.Connections(), "the first is not asked any more")

	first.FailAlways(nil)
	f.clock.advance(time.Minute)
	require.Equal(t, delivery.Sent, f.send(t, "ada@example.test").State)
	require.Len(t, first.Mails(), 1, "it is asked again after a while")
}

func TestAMailThatAServerMayHaveIsNotSentByAnother(t *testing.T) {
	t.Parallel()
	first, second := smtptest.Start(t, smtptest.Options{}), smtptest.Start(t, smtptest.Options{})
	f := start(t, 0, first, second)
	first.Fail(smtptest.Fault{At: delivery.Dot, Accepted: true})
	require.Equal(t, delivery.Unknown, f.send(t, "ada@example.test").State)
	require.Empty(t, second.Mails())

	first.Fail(smtptest.Fault{At: delivery.Rcpt, Reply: "550 5.1.1 no such user"})
	require.Equal(t, delivery.Rejected, f.send(t, "ada@example.test").State)
	require.Empty(t, second.Mails(), "a verdict about the mailbox holds for every server")
}

func TestADeadDomainIsHeldAndOthersAreNot(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	f := start(t, 0, server)
	var asked atomic.Int32
	server.FailAlways(func(phase delivery.Phase, m smtptest.Mail) (smtptest.Fault, bool) {
		dead := phase == delivery.Rcpt && strings.HasSuffix(strings.ToLower(m.To), "@dead.test")
		if dead {
			asked.Add(1)
		}
		return smtptest.Fault{Stall: true}, dead
	})
	for n := range 100 {
		r := f.send(t, fmt.Sprintf("someone%d@dead.test", n))
		require.NotEqual(t, delivery.Sent, r.State)
		require.True(t, r.Tried || r.Again.After(f.clock.Now()))
		require.Equal(t, delivery.Sent, f.send(t, "ada@example.test").State)
	}
	require.EqualValues(t, 2, asked.Load())
	require.Equal(t, 25, f.Capacity(25))

	f.clock.advance(2 * time.Minute)
	for range 10 {
		f.send(t, "someone@DEAD.test")
	}
	require.EqualValues(t, 3, asked.Load(), "one mail tries whether it is over")
	server.FailAlways(nil)
	f.clock.advance(10 * time.Minute)
	for range 3 {
		require.Equal(t, delivery.Sent, f.send(t, "someone@dead.test").State)
	}
}

func TestAServerIsSentNoMoreThanItsRate(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	f := start(t, 3, server)
	for range 3 {
		require.Equal(t, delivery.Sent, f.send(t, "ada@example.test").State)
	}
	r := f.send(t, "ada@example.test")
	require.False(t, r.Tried)
	require.True(t, r.Stop)
	require.Positive(t, r.Again.Sub(f.clock.Now()))
	require.Zero(t, f.Capacity(25))
	f.clock.advance(400 * time.Millisecond)
	require.Equal(t, 25, f.Capacity(25))
	require.Equal(t, delivery.Sent, f.send(t, "ada@example.test").State)
	require.Len(t, server.Mails(), 4)
}

package notifications_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/httpapi/streamtest"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
)

func inboxStream(t *testing.T, h *servicetest.Harness, user, lastID string) *streamtest.Stream {
	t.Helper()
	return streamtest.Must(t, h.URL+"/notifications/stream", h.As(user, auth.User).Token(), lastID)
}

type unread struct{ Unread int }

func TestNotificationsArriveLive(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created)
		stream := inboxStream(t, h, ada, "")
		var n unread
		stream.Next(t, "unread", &n)
		require.Equal(t, 1, n.Unread, "what was there before is counted, and not sent")

		h.Consumes(t, paid)
		var e entry
		stream.Next(t, "notification", &e)
		require.Equal(t, "order.paid", e.Kind)
		require.Equal(t, "Your order has been paid", e.Title)
		stream.Next(t, "unread", &n)
		require.Equal(t, 2, n.Unread)

		h.As(ada, auth.User).Post(t, "/notifications/"+e.ID+"/read", nil).Want(t, 200)
		stream.Next(t, "unread", &n)
		require.Equal(t, 1, n.Unread, "another page has read one")
	})
}

func TestAStreamContinuesAfterTheLastEvent(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created)
		stream := inboxStream(t, h, ada, "")
		stream.Next(t, "unread", nil)
		stream.Close()

		h.Consumes(t, paid, shipped) // while the customer is away
		stream = inboxStream(t, h, ada, stream.LastID)
		var e entry
		stream.Next(t, "notification", &e)
		require.Equal(t, "order.paid", e.Kind)
		stream.Close()

		for lastID, want := range map[string]string{stream.LastID: "order.shipped", "0": "order.created"} {
			stream = inboxStream(t, h, ada, lastID)
			stream.Next(t, "notification", &e)
			require.Equal(t, want, e.Kind)
		}
		stream = inboxStream(t, h, ada, "999999")
		stream.Next(t, "unread", nil)
		require.Equal(t, "3", stream.LastID, "an id from before a database was restored")
		for _, id := range []string{"nonsense", "-1", "1e3"} {
			h.As(ada, auth.User).With("Last-Event-ID", id).Get(t, "/notifications/stream").Problem(t, 422, "last_event_id_invalid")
		}
	})
}

func TestAStreamIsPrivateAndEndsWithItsSession(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		hers, others := inboxStream(t, h, ada, ""), inboxStream(t, h, eve, "")
		hers.Next(t, "unread", nil)
		others.Next(t, "unread", nil)
		h.Consumes(t, paid)
		hers.Next(t, "notification", nil)
		hers.Next(t, "unread", nil)

		h.Consumes(t, events.SessionRevoked{SessionID: "session-" + eve, UserID: eve, Until: events.Time{Time: h.Now().Add(time.Hour)}})
		var end struct{ Reason string }
		others.Next(t, "end", &end) // and no notification before it
		require.Equal(t, "session_revoked", end.Reason)
		others.Ends(t)

		h.Advance(time.Hour)
		hers.Next(t, "end", &end)
		require.Equal(t, "token_expired", end.Reason)
		hers.Ends(t)
		h.Anonymous().Get(t, "/notifications/stream").Problem(t, 401, "token_missing")
	})
}

func TestAUserHasOnlySoManyStreams(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		first := inboxStream(t, h, ada, "")
		inboxStream(t, h, ada, "")
		refused := h.As(ada, auth.User).Get(t, "/notifications/stream").Problem(t, 429, "too_many_streams")
		require.NotEmpty(t, refused.Header("Retry-After"))
		inboxStream(t, h, eve, "")
		h.As("bob", auth.User).Get(t, "/notifications/stream").Problem(t, 503, "too_many_streams")

		first.Close()
		require.Eventually(t, func() bool {
			s, err := streamtest.Open(t.Context(), h.URL+"/notifications/stream", h.As(ada, auth.User).Token(), "")
			require.NoError(t, err)
			t.Cleanup(s.Close)
			return s.Response.StatusCode == http.StatusOK
		}, 30*time.Second, time.Millisecond, "a stream that was closed still counts")
	}, servicetest.Setting("NOTIFICATIONS_STREAMS", "3"), servicetest.Setting("NOTIFICATIONS_STREAMS_PER_USER", "2"))
}

func TestAllNotificationsAreMarkedAsRead(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid, shipped)
		mine := h.As(ada, auth.User)
		mine.Get(t, "/notifications/unread").Want(t, 200, "unread", 3)
		mine.Post(t, "/notifications/read?up_to=nonsense", nil).Problem(t, 404, "notification_not_found")
		h.As(eve, auth.User).Post(t, "/notifications/read?up_to="+inboxOf(t, h, ada)[0].ID, nil).Problem(t, 404, "notification_not_found")
		mine.Get(t, "/notifications/unread").Want(t, 200, "unread", 3)

		mine.Post(t, "/notifications/read?up_to="+inboxOf(t, h, ada)[1].ID, nil).Want(t, 200, "unread", 1)
		h.Advance(time.Minute)
		for range 2 { // again: the time of the first read stays
			mine.Post(t, "/notifications/read", nil).Want(t, 200, "unread", 0)
		}
		mine.Get(t, "/notifications").Want(t, 200, "items.0.read_at", "2026-01-01T12:01:00.000000Z", "items.1.read_at", "2026-01-01T12:00:00.000000Z")
		h.As(eve, auth.User).Post(t, "/notifications/read", nil).Want(t, 200, "unread", 0)
	})
}

// During a rollout replicas of the earlier version add entries without a position.
func TestEntriesOfAnEarlierVersionAreStreamed(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created)
		stream := inboxStream(t, h, ada, "")
		stream.Next(t, "unread", nil)
		for n := range 300 {
			_, err := h.DB.Exec(t.Context(), `INSERT INTO notices (event_id, user_id, kind, order_id, amount, currency, reason, created_at, position)
				VALUES ($1, $2, 'order.shipped', $3, 0, '', '', 1, 0)`, fmt.Sprintf("old-%03d", n), ada, orderID)
			require.NoError(t, err)
		}
		h.Settle(t)
		for n := 0; n < 300; {
			e, err := stream.Read()
			require.NoError(t, err)
			if e.Name == "notification" { // the number of unread ones comes between two batches
				require.Contains(t, e.Data, fmt.Sprintf("old-%03d", n))
				n++
			}
		}
	})
}

// site is a replica that serves its API.
type site struct {
	*app.Instance
	url string
}

func newSite(t *testing.T, db sqldb.DB, signer *auth.Signer) site {
	t.Helper()
	instance, err := app.NewInstance(notifications.Service, app.Dependencies{
		Environ: map[string]string{}, DB: db, Publisher: sink{}, Peers: map[string]string{}, Transport: http.DefaultTransport,
		JWKS: signer.JWKS(), Now: time.Now, NewID: newID, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	server := httptest.NewServer(instance.Handler)
	t.Cleanup(server.Close)
	for _, w := range instance.Workers {
		if w.Name == "feed" {
			w.Interval = 5 * time.Millisecond
			go w.Run(t.Context(), instance.Env.Log) // ends with the test
		}
	}
	return site{instance, server.URL}
}

// Readers of one inbox disconnect at random and continue at a random replica, while two
// replicas write to it at the same time, in transactions that commit in any order.
func TestNoneOf10000IsLostOrDoubledOverReconnects(t *testing.T) {
	t.Parallel()
	const total, readers = 10_000, 4
	key, err := auth.NewPrivateKey()
	require.NoError(t, err)
	signer, err := auth.NewSigner(key)
	require.NoError(t, err)
	token, err := signer.Sign(auth.Caller{UserID: ada, Role: auth.User, SessionID: "s", Expires: time.Now().Add(time.Hour)}, "t", time.Now())
	require.NoError(t, err)
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		sites := []site{newSite(t, db, signer), newSite(t, db, signer)}
		consume(t, sites[0].Instance, adaRegistered)
		var all errgroup.Group
		for range readers {
			all.Go(func() error { return readInbox(t, sites, token, total) })
		}
		var writers errgroup.Group
		for w := range 4 {
			writers.Go(func() error {
				for range total / 4 / 25 {
					payloads := make([]event.Payload, 25)
					for i := range payloads {
						payloads[i] = events.OrderDelivered{OrderID: newID(), UserID: ada}
					}
					consume(t, sites[w%2].Instance, payloads...)
				}
				return nil
			})
		}
		require.NoError(t, writers.Wait())
		require.NoError(t, all.Wait())
	}, app.Migrations(notifications.Service)...)
}

// readInbox reads until it has as many notifications as there are, over many connections,
// and returns an error if one comes twice.
func readInbox(t *testing.T, sites []site, token string, total int) error {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // one that is lost never comes
	defer cancel()
	seen := make(map[string]bool, total)
	lastID := "0"
	for len(seen) < total {
		s, err := streamtest.Open(ctx, sites[rand.IntN(len(sites))].url+"/notifications/stream", token, lastID)
		if err != nil {
			return err
		}
		for range 1 + rand.IntN(300) {
			e, err := s.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("after %d: %w", len(seen), err)
			}
			if e.Name == "notification" && seen[e.Data] {
				return fmt.Errorf("%s came twice", e.Data)
			}
			if e.Name == "notification" {
				seen[e.Data] = true
			}
			if len(seen) == total {
				break
			}
		}
		lastID = s.LastID
		s.Close()
	}
	return nil
}

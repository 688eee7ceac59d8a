package notifications_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/test/pushservice"
)

const secondOrder = "019b0000-0000-7000-8000-0000cafebabe"

func chooses(t *testing.T, h *servicetest.Harness, user string, body object) {
	t.Helper()
	h.As(user, auth.User).Put(t, "/notifications/preferences", body).Want(t, 200)
}

func TestADigestBundlesWhatCameMeanwhile(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		chooses(t, h, ada, object{"categories": object{"shipping": choice(true, true, true, "hourly")}})
		h.Consumes(t, adaRegistered, created)
		require.Len(t, mails(t, h, "ada@example.test"), 2)
		h.Advance(10 * time.Minute)
		h.Consumes(t, shipped, events.OrderShipped{OrderID: secondOrder, UserID: ada})
		require.Len(t, mails(t, h, "ada@example.test"), 2)
		require.Len(t, inboxOf(t, h, ada), 3, "the inbox has them at once")
		h.Advance(49 * time.Minute)
		h.Settle(t)
		require.Len(t, b.Received(), 1)

		h.Advance(time.Minute)
		h.Settle(t)
		require.Len(t, mails(t, h, "ada@example.test"), 3)
		m := mails(t, h, "ada@example.test")[0]
		require.Equal(t, "2 updates from Troupe", m.Subject)
		require.Contains(t, m.Text, "* Your order has been shipped (Order DEADBEEF)")
		require.Contains(t, m.Text, "* Your order has been shipped (Order CAFEBABE)")
		require.Contains(t, m.HTML, "<strong>Your order has been shipped</strong> (Order CAFEBABE)")
		got := b.Received()[1]
		require.Equal(t, "2 updates from Troupe", got.Title)
		require.Equal(t, "Your order has been shipped\nYour order has been shipped", got.Body)
		require.Equal(t, "low", got.Urgency)
		h.Advance(72 * time.Hour)
		h.Redelivers(t)
		require.Len(t, mails(t, h, "ada@example.test"), 3)
		require.Len(t, b.Received(), 2)
	})
}

func TestOneNoticeIsNoDigest(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		chooses(t, h, ada, object{"time_zone": "Asia/Tokyo", "categories": object{"shipping": choice(true, true, true, "daily")}})
		h.Consumes(t, adaRegistered, shipped) // at 21:00 in Tokyo
		h.Advance(12*time.Hour - time.Second)
		h.Settle(t)
		require.Len(t, mails(t, h, "ada@example.test"), 1)
		h.Advance(time.Second)
		h.Settle(t)
		require.Equal(t, "Your order DEADBEEF has been shipped", mails(t, h, "ada@example.test")[0].Subject)
	})
}

func TestNothingOptionalIsSentInQuietHours(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		chooses(t, h, ada, object{
			"time_zone": "Europe/Berlin", "quiet_hours": object{"from": "12:30", "to": "15:00"}, "categories": object{},
		})
		h.Consumes(t, adaRegistered, shipped, delivered, paid) // at 13:00 in Berlin
		require.Len(t, b.Received(), 1)
		require.Equal(t, "order.paid", b.Received()[0].Kind, "what is critical is sent at once")
		require.Len(t, mails(t, h, "ada@example.test"), 2)
		h.Advance(2 * time.Hour)
		h.Settle(t)
		require.Len(t, mails(t, h, "ada@example.test"), 3)
		require.Equal(t, "digest", b.Received()[1].Kind)
	})
}

func TestWhatIsSwitchedOffBeforeItIsSentIsNotSent(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		chooses(t, h, ada, object{"categories": object{"shipping": choice(true, true, true, "hourly")}})
		h.Consumes(t, adaRegistered, shipped)
		chooses(t, h, ada, object{"categories": object{"shipping": choice(false, false, true, "off")}})
		h.Advance(2 * time.Hour)
		h.Settle(t)
		require.Empty(t, b.Received())
		require.Len(t, mails(t, h, "ada@example.test"), 1)
		pushes(t, h, "suppressed").Want(t, 200, "items.0", nil)

		h.Consumes(t, events.OrderShipped{OrderID: secondOrder, UserID: eve})
		chooses(t, h, eve, object{"categories": object{"shipping": choice(false, true, true, "off")}})
		h.Advance(time.Hour)
		h.Consumes(t, registered(eve, "Eve", "eve@example.test", "en"))
		require.Len(t, mails(t, h, "eve@example.test"), 1, "the mail that waited for the address is not wanted any more")
	})
}

func TestReplicasSendEachDigestOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		replicas := []*app.Instance{replica(t, db, ""), replica(t, db, ""), replica(t, db, "")}
		_, err := db.Exec(t.Context(), "INSERT INTO preferences (user_id, category, email, push, inbox, digest) VALUES ($1, 'shipping', TRUE, TRUE, TRUE, 'hourly')", ada)
		require.NoError(t, err)
		consume(t, replicas[0], adaRegistered)
		for range 30 {
			consume(t, replicas[0], events.OrderShipped{OrderID: newID(), UserID: ada})
		}
		_, err = db.Exec(t.Context(), "UPDATE held_notices SET due_at = 1")
		require.NoError(t, err)
		var all errgroup.Group
		for _, r := range replicas {
			all.Go(func() error { return settle(t.Context(), r) })
		}
		require.NoError(t, all.Wait())
		var digests, unreleased int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM deliveries WHERE kind = 'digest' AND state = 'sent'").Scan(&digests))
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM held_notices WHERE digest = ''").Scan(&unreleased))
		require.Equal(t, 1, digests)
		require.Zero(t, unreleased)
	}, app.Migrations(notifications.Service)...)
}

// A replica has locked the first notice, and another one looks for some that are due.
func TestTwoReplicasDoNotShareADigest(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := replica(t, db, "")
		_, err := db.Exec(t.Context(), "INSERT INTO preferences (user_id, category, email, push, inbox, digest) VALUES ($1, 'shipping', TRUE, TRUE, TRUE, 'hourly')", ada)
		require.NoError(t, err)
		consume(t, r, adaRegistered)
		for range 5 {
			consume(t, r, events.OrderShipped{OrderID: newID(), UserID: ada})
		}
		_, err = db.Exec(t.Context(), "UPDATE held_notices SET due_at = 1")
		require.NoError(t, err)
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			if tx.SkipLocked() == "" {
				return nil // SQLite has one writer
			}
			var first string
			err := tx.QueryRow(ctx, "SELECT event_id FROM held_notices ORDER BY event_id LIMIT 1"+tx.SkipLocked()).Scan(&first)
			if err != nil {
				return err
			}
			return settle(t.Context(), r) // the other replica
		}))
		require.NoError(t, settle(t.Context(), r))
		kinds, err := sqldb.All(t.Context(), db, scanText, "SELECT kind FROM deliveries WHERE kind <> 'user.registered'")
		require.NoError(t, err)
		require.Equal(t, []string{"digest"}, kinds)
	}, app.Migrations(notifications.Service)...)
}

func TestADigestThatFailsHalfwayIsSentOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := replica(t, db, "")
		_, err := db.Exec(t.Context(), "INSERT INTO preferences (user_id, category, email, push, inbox, digest) VALUES ($1, 'shipping', TRUE, TRUE, TRUE, 'hourly')", ada)
		require.NoError(t, err)
		consume(t, r, adaRegistered, events.OrderShipped{OrderID: newID(), UserID: ada}, events.OrderShipped{OrderID: newID(), UserID: ada})
		_, err = db.Exec(t.Context(), "UPDATE held_notices SET due_at = 1")
		require.NoError(t, err)
		rename := func(from, to string) {
			_, err := db.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
			require.NoError(t, err)
		}
		rename("deliveries", "mislaid") // which the step writes last
		require.Error(t, settle(t.Context(), r))
		rename("mislaid", "deliveries")
		require.NoError(t, settle(t.Context(), r))
		var digests, mails int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM deliveries WHERE kind = 'digest' AND state = 'sent'").Scan(&digests))
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM mails WHERE subject = '2 updates from Troupe'").Scan(&mails))
		require.Equal(t, 1, digests)
		require.Equal(t, 1, mails)
	}, app.Migrations(notifications.Service)...)
}

package notifications_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/notifications"
	"troupe/test/pushservice"
)

// keptAboutUsers are the columns in which the id of a deleted user stays: the record that
// the account is deleted, the states of the messages that were sent, and what admins did.
var keptAboutUsers = []string{"recipients.user_id", "deliveries.user_id"}

// tables returns the columns of all tables.
func tables(t *testing.T, db sqldb.DB) map[string][]string {
	t.Helper()
	names, err := sqldb.All(t.Context(), db, scanText, "SELECT name FROM sqlite_master WHERE type = 'table'")
	columns := "SELECT name FROM pragma_table_info('%s')"
	if err != nil {
		names, err = sqldb.All(t.Context(), db, scanText, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
		columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '%s'"
	}
	require.NoError(t, err)
	found := map[string][]string{}
	for _, name := range names {
		found[name], err = sqldb.All(t.Context(), db, scanText, fmt.Sprintf(columns, name))
		require.NoError(t, err)
	}
	require.Contains(t, found, "push_subscriptions")
	return found
}

func scanText(row sqldb.Row) (string, error) {
	var text string
	err := row.Scan(&text)
	return text, err
}

// mentioning returns the columns in which a text occurs.
func mentioning(t *testing.T, db sqldb.DB, text string) (found []string) {
	t.Helper()
	for table, columns := range tables(t, db) {
		for _, column := range columns {
			var n int
			require.NoError(t, db.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(*) FROM "%s" WHERE CAST("%s" AS TEXT) LIKE $1`, table, column), "%"+text+"%").Scan(&n))
			if n > 0 {
				found = append(found, table+"."+column)
			}
		}
	}
	return found
}

func TestNothingOfADeletedUserIsLeft(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		chooses(t, h, ada, object{
			"time_zone": "Pacific/Chatham", "quiet_hours": object{"from": "22:00", "to": "07:00"},
			"categories": object{"shipping": choice(true, true, true, "daily")},
		})
		h.Consumes(t, registered(ada, "Ada Lovelace", "ada@example.test", "en"), created, paid, shipped)
		for text, where := range map[string]string{
			"ada@example.test": "recipients.email", "Pacific/Chatham": "quiet_hours.time_zone", b.Endpoint: "push_subscriptions.endpoint",
			b.Auth: "push_subscriptions.auth", "daily": "preferences.digest", "order.shipped": "held_notices.kind",
		} {
			require.Contains(t, mentioning(t, h.DB, text), where)
		}

		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2})
		for _, published := range []string{"outbox", "event_log"} {
			_, err := h.DB.Exec(t.Context(), "DELETE FROM "+published)
			require.NoError(t, err)
		}
		for _, text := range []string{"ada@example.test", "Lovelace", "Pacific/Chatham", b.Endpoint, b.Auth, "daily"} {
			require.Empty(t, mentioning(t, h.DB, text), text)
		}
		require.ElementsMatch(t, keptAboutUsers, mentioning(t, h.DB, ada))
	})
}

// A customer changes an address that is on the suppression list, and then deletes the account.
func TestNoAddressThatADeletedUserHadBeforeIsLeft(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		h.As("admin", auth.Admin).Post(t, "/suppressions", object{"address": "ada@example.test"}).Want(t, 201)
		h.Consumes(t, events.UserUpdated{UserID: ada, Email: "lovelace@example.test", Name: "Ada", Locale: "en", Version: 2},
			events.UserDeleted{UserID: ada, Version: 3})
		require.Empty(t, mentioning(t, h.DB, "ada@example.test"))

		h.Consumes(t, registered(eve, "Eve", "ada@example.test", "en"))
		require.Empty(t, mails(t, h, "ada@example.test"), "the address is suppressed for the next account that has it")
	})
}

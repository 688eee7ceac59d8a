package notifications_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/notifications"
)

type object = map[string]any

// choice returns the JSON of what is chosen for a category.
func choice(email, push, inbox bool, digest string) object {
	return object{"email": email, "push": push, "inbox": inbox, "digest": digest}
}

func TestACustomerChoosesHowTheyAreNotified(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		mine := h.As(ada, auth.User)
		mine.Get(t, "/notifications/preferences").Want(t, 200,
			"time_zone", nil, "quiet_hours", nil,
			"categories.orders", choice(true, true, true, "off"), "categories.shipping", choice(true, true, true, "off"))
		mine.Put(t, "/notifications/preferences", object{"time_zone": "Europe/Berlin"}).Want(t, 200,
			"categories.shipping", choice(true, true, true, "off"))
		chosen := object{
			"time_zone": "Europe/Berlin", "quiet_hours": object{"from": "22:00", "to": "07:05"},
			"categories": object{"shipping": choice(false, true, false, "daily")},
		}
		mine.Put(t, "/notifications/preferences", chosen).Want(t, 200, "categories.shipping.digest", "daily")
		answer := mine.Get(t, "/notifications/preferences").Want(t, 200,
			"time_zone", "Europe/Berlin", "quiet_hours.from", "22:00", "quiet_hours.to", "07:05",
			"categories.shipping", choice(false, true, false, "daily"), "categories.orders", choice(true, true, true, "off"))
		require.Equal(t, answer.Body, mine.Put(t, "/notifications/preferences", string(answer.Body)).Want(t, 200).Body,
			"what was read can be written")

		mine.Put(t, "/notifications/preferences", object{"categories": object{}}).Want(t, 200, "quiet_hours", nil, "categories.shipping.digest", "off")
		h.As(eve, auth.User).Get(t, "/notifications/preferences").Want(t, 200, "time_zone", nil)
		h.Anonymous().Get(t, "/notifications/preferences").Problem(t, 401, "token_missing")
	})
}

func TestBadPreferencesChangeNothing(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		mine := h.As(ada, auth.User)
		mine.Put(t, "/notifications/preferences", object{"time_zone": "Asia/Tokyo", "categories": object{}}).Want(t, 200)
		for name, c := range map[string]struct {
			body object
			code string
		}{
			"a time zone that does not exist":    {object{"time_zone": "Mars/Olympus", "categories": object{}}, "time_zone_unknown"},
			"no channel for what is critical":    {object{"categories": object{"orders": choice(false, false, false, "off")}}, "critical_category"},
			"security without mail":              {object{"categories": object{"security": choice(false, true, true, "off")}}, "critical_category"},
			"a digest of payments":               {object{"categories": object{"payments": choice(true, true, true, "daily")}}, "critical_category"},
			"a day of quiet hours":               {object{"quiet_hours": object{"from": "08:00", "to": "08:00"}, "categories": object{}}, "quiet_hours_invalid"},
			"a time of the day that is none":     {object{"quiet_hours": object{"from": "24:00", "to": "08:00"}, "categories": object{}}, "validation_failed"},
			"a digest that does not exist":       {object{"categories": object{"shipping": choice(true, true, true, "weekly")}}, "validation_failed"},
			"a category that does not exist":     {object{"categories": object{"offers": choice(true, true, true, "off")}}, "validation_failed"},
			"a choice that leaves a channel out": {object{"categories": object{"shipping": object{"email": true}}}, "validation_failed"},
		} {
			t.Run(name, func(t *testing.T) {
				mine.Put(t, "/notifications/preferences", c.body).Problem(t, 422, c.code)
				mine.Get(t, "/notifications/preferences").Want(t, 200, "time_zone", "Asia/Tokyo", "categories.shipping", choice(true, true, true, "off"))
			})
		}
	})
}

func TestNothingIsStoredAboutADeletedAccount(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, events.UserDeleted{UserID: ada, Version: 2})
		h.As(ada, auth.User).Put(t, "/notifications/preferences", object{"categories": object{}}).Problem(t, 401, "account_deleted")
	})
}

func TestPreferencesMayPrecedeTheAccount(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As(ada, auth.User).Put(t, "/notifications/preferences", object{"categories": object{}}).Want(t, 200)
		h.Consumes(t, paid)
		h.PublishesNothing(t)
		h.As("admin", auth.Admin).Get(t, "/deliveries").Want(t, 200, "items.0.state", "waiting")
		h.Consumes(t, adaRegistered)
		require.Len(t, mails(t, h, "ada@example.test"), 2)
	})
}

func TestPreferencesBasedOnOldOnesAreRefused(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		mine := h.As(ada, auth.User)
		var read object
		response := mine.Get(t, "/notifications/preferences").Want(t, 200)
		response.JSON(t, &read)
		old := response.Header("ETag")
		require.Equal(t, old, mine.With("If-Match", old).Put(t, "/notifications/preferences", read).Want(t, 200).Header("ETag"))
		read["time_zone"] = "Asia/Tokyo"
		mine.With("If-Match", old).Put(t, "/notifications/preferences", read).Want(t, 200)
		mine.With("If-Match", old).Put(t, "/notifications/preferences", object{"categories": object{}}).Problem(t, 412, "precondition_failed")
		mine.Get(t, "/notifications/preferences").Want(t, 200, "time_zone", "Asia/Tokyo")
	})
}

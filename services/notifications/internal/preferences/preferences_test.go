package preferences_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/services/notifications/internal/preferences"
)

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

func TestQuietHoursEndWhenTheLocalClockShowsIt(t *testing.T) {
	t.Parallel()
	night, early := &preferences.Hours{From: 22 * 60, To: 7 * 60}, &preferences.Hours{From: 0, To: 2*60 + 30}
	for name, c := range map[string]struct {
		zone      string
		quiet     *preferences.Hours
		now, want string // want: "" means at once
	}{
		"by day":                              {"Europe/Berlin", night, "2026-01-10T12:00:00Z", ""},
		"in the evening":                      {"Europe/Berlin", night, "2026-01-10T21:30:00Z", "2026-01-11T06:00:00Z"},
		"after midnight":                      {"Europe/Berlin", night, "2026-01-11T03:00:30Z", "2026-01-11T06:00:00Z"},
		"the minute they begin":               {"Europe/Berlin", night, "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"},
		"the minute they end":                 {"Europe/Berlin", night, "2026-01-11T06:00:00Z", ""},
		"in the night the clock goes forward": {"Europe/Berlin", night, "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"},
		"in the night the clock goes back":    {"Europe/Berlin", night, "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"},
		"an end that the clock leaves out":    {"Europe/Berlin", early, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		"an end that the clock shows twice":   {"Europe/Berlin", early, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		"a zone with a quarter of an hour":    {"Asia/Kathmandu", night, "2026-01-10T17:00:00Z", "2026-01-11T01:15:00Z"},
		"a zone beyond the date line":         {"Pacific/Kiritimati", night, "2026-01-10T09:00:00Z", "2026-01-10T17:00:00Z"},
		"no zone":                             {"", night, "2026-01-10T23:00:00Z", "2026-01-11T07:00:00Z"},
		"no quiet hours":                      {"Europe/Berlin", nil, "2026-01-10T23:00:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := preferences.Preferences{TimeZone: c.zone, Quiet: c.quiet}
			require.NoError(t, p.Check())
			var want time.Time
			if c.want != "" {
				want = instant(t, c.want)
			}
			require.Equal(t, want, p.HeldUntil(preferences.Shipping, instant(t, c.now)))
			require.Zero(t, p.HeldUntil(preferences.Orders, instant(t, c.now)), "what is critical is never held")
		})
	}
}

func TestADigestIsSentAtItsLocalTimeAndNotInQuietHours(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		digest    preferences.Digest
		zone      string
		quiet     *preferences.Hours
		now, want string
	}{
		"hourly":                           {preferences.Hourly, "Europe/Berlin", nil, "2026-01-10T12:10:00Z", "2026-01-10T13:00:00Z"},
		"hourly, on the hour":              {preferences.Hourly, "Europe/Berlin", nil, "2026-01-10T12:00:00Z", "2026-01-10T13:00:00Z"},
		"hourly, in a zone with half ones": {preferences.Hourly, "Asia/Kolkata", nil, "2026-01-10T12:10:00Z", "2026-01-10T12:30:00Z"},
		"hourly, in quiet hours":           {preferences.Hourly, "UTC", &preferences.Hours{From: 22 * 60, To: 7*60 + 30}, "2026-01-10T23:10:00Z", "2026-01-11T07:30:00Z"},
		"daily, before nine":               {preferences.Daily, "America/New_York", nil, "2026-01-10T12:10:00Z", "2026-01-10T14:00:00Z"},
		"daily, after nine":                {preferences.Daily, "America/New_York", nil, "2026-01-10T15:10:00Z", "2026-01-11T14:00:00Z"},
		"daily, before the clock changes":  {preferences.Daily, "America/New_York", nil, "2026-03-07T15:00:00Z", "2026-03-08T13:00:00Z"},
		"daily, with quiet hours at nine":  {preferences.Daily, "UTC", &preferences.Hours{From: 22 * 60, To: 10 * 60}, "2026-01-10T12:00:00Z", "2026-01-11T10:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := preferences.Preferences{TimeZone: c.zone, Quiet: c.quiet, Choices: map[preferences.Category]preferences.Choice{
				preferences.Shipping: {Channels: preferences.All, Digest: c.digest},
			}}
			require.Equal(t, instant(t, c.want), p.HeldUntil(preferences.Shipping, instant(t, c.now)))
		})
	}
}

func TestWhatIsCriticalIsSentOverAtLeastOneChannel(t *testing.T) {
	t.Parallel()
	chosen := func(c preferences.Category, on preferences.Channels) preferences.Preferences {
		return preferences.Preferences{Choices: map[preferences.Category]preferences.Choice{c: {Channels: on, Digest: preferences.Off}}}
	}
	none, mail := preferences.Channels{}, preferences.Channels{Email: true}
	inbox, push := preferences.Channels{Inbox: true}, preferences.Channels{Push: true}
	noDevice := preferences.Channels{Email: true, Inbox: true}
	for name, c := range map[string]struct {
		preferences.Preferences
		category                   preferences.Category
		supported, reachable, want preferences.Channels
	}{
		"no choice":                              {preferences.Preferences{}, preferences.Orders, preferences.All, preferences.All, preferences.All},
		"only push":                              {chosen(preferences.Orders, push), preferences.Orders, preferences.All, preferences.All, push},
		"only push, and no device":               {chosen(preferences.Orders, push), preferences.Orders, preferences.All, noDevice, mail},
		"only mail, for a notice without a mail": {chosen(preferences.Payments, mail), preferences.Payments, inbox, noDevice, inbox},
		"nothing, from before it was critical":   {chosen(preferences.Security, none), preferences.Security, mail, noDevice, mail},
		"nothing that is optional":               {chosen(preferences.Shipping, none), preferences.Shipping, preferences.All, preferences.All, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.Route(c.category, c.supported, c.reachable))
		})
	}
	require.False(t, chosen(preferences.Shipping, push).Allows("order.shipped", mail))
	require.True(t, chosen(preferences.Shipping, push).Allows("order.shipped", push))
	require.True(t, chosen(preferences.Orders, push).Allows("order.paid", mail))
}

func TestBadPreferencesAreRefused(t *testing.T) {
	t.Parallel()
	choice := func(c preferences.Category, on preferences.Channels, d preferences.Digest) preferences.Preferences {
		return preferences.Preferences{Choices: map[preferences.Category]preferences.Choice{c: {Channels: on, Digest: d}}}
	}
	for name, c := range map[string]struct {
		preferences.Preferences
		code string
	}{
		"a critical category on no channel":  {choice(preferences.Orders, preferences.Channels{}, preferences.Off), "critical_category"},
		"a critical category in a digest":    {choice(preferences.Payments, preferences.All, preferences.Daily), "critical_category"},
		"security without mail":              {choice(preferences.Security, preferences.Channels{Inbox: true, Push: true}, preferences.Off), "critical_category"},
		"a category that does not exist":     {choice("offers", preferences.All, preferences.Off), "category_unknown"},
		"a time zone that does not exist":    {preferences.Preferences{TimeZone: "Europe/Atlantis"}, "time_zone_unknown"},
		"the time zone of the machine":       {preferences.Preferences{TimeZone: "Local"}, "time_zone_unknown"},
		"a time zone that is a path":         {preferences.Preferences{TimeZone: "../../etc/passwd"}, "time_zone_unknown"},
		"quiet hours that are the whole day": {preferences.Preferences{Quiet: &preferences.Hours{From: 60, To: 60}}, "quiet_hours_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.code, fault.CodeOf(c.Check()))
		})
	}
}

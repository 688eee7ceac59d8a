package notifications

import (
	"context"
	"fmt"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/store"
)

var errAccountDeleted = fault.New(fault.Unauthenticated, "account_deleted", "this account was deleted; sign in to another one")

// preferencesView is the JSON of preferences. What is left out has its default.
type preferencesView struct {
	TimeZone   string         `json:"time_zone,omitempty" maxLength:"64" example:"Europe/Berlin" doc:"Of the IANA database; UTC if absent"`
	QuietHours *quietHours    `json:"quiet_hours,omitempty" doc:"When nothing optional is sent; absent: no such hours"`
	Categories categoriesView `json:"categories" required:"false"`
}

type quietHours struct {
	From string `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"22:00" doc:"In the time zone"`
	To   string `json:"to" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"07:00"`
}

type categoriesView struct {
	Orders   *choiceView `json:"orders,omitempty" doc:"Critical: sent at once, over at least one channel"`
	Payments *choiceView `json:"payments,omitempty" doc:"Critical: sent at once, over at least one channel"`
	Security *choiceView `json:"security,omitempty" doc:"Critical: sent at once, by mail at least"`
	Shipping *choiceView `json:"shipping,omitempty"`
}

// byName returns the fields by category.
func (v *categoriesView) byName() map[preferences.Category]**choiceView {
	return map[preferences.Category]**choiceView{
		preferences.Orders: &v.Orders, preferences.Payments: &v.Payments,
		preferences.Security: &v.Security, preferences.Shipping: &v.Shipping,
	}
}

type choiceView struct {
	Email  bool   `json:"email"`
	Push   bool   `json:"push"`
	Inbox  bool   `json:"inbox"`
	Digest string `json:"digest,omitempty" enum:"off,hourly,daily" default:"off" doc:"Whether mails and pushes are sent at once or together"`
}

type getPreferencesRequest struct{ httpapi.ConditionalGet }

type setPreferencesRequest struct {
	httpapi.Conditional
	Body preferencesView
}

type preferencesResponse struct {
	ETag httpapi.ETag `header:"ETag"`
	Body preferencesView
}

func preferencesResponseOf(p preferences.Preferences) *preferencesResponse {
	view := viewOfPreferences(p)
	return &preferencesResponse{ETag: httpapi.ETagOf(view), Body: view}
}

// servePreferences adds the operations of the caller's own preferences.
func (s *service) servePreferences(api *httpapi.API) {
	httpapi.Get(api, "/notifications/preferences", s.getPreferences, httpapi.Summary("Show how I am notified"))
	httpapi.Put(api, "/notifications/preferences", s.setPreferences, httpapi.Summary("Choose how I am notified"),
		httpapi.Example(preferencesView{
			TimeZone: "Europe/Berlin", QuietHours: &quietHours{From: "22:00", To: "07:00"},
			Categories: categoriesView{Shipping: &choiceView{Email: true, Inbox: true, Digest: "daily"}},
		}))
}

func (s *service) getPreferences(ctx context.Context, _ *getPreferencesRequest) (*preferencesResponse, error) {
	p, err := store.Preferences(ctx, s.DB, auth.CallerOf(ctx).UserID)
	if err != nil {
		return nil, err
	}
	return preferencesResponseOf(p), nil
}

func (s *service) setPreferences(ctx context.Context, r *setPreferencesRequest) (*preferencesResponse, error) {
	userID := auth.CallerOf(ctx).UserID
	chosen := r.Body.preferences()
	if err := chosen.Check(); err != nil {
		return nil, err
	}
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := admitUser(ctx, tx, userID); err != nil {
			return err
		}
		now, err := store.Preferences(ctx, tx, userID) // admitUser keeps others from changing them
		if err != nil {
			return err
		}
		if err := r.Check(httpapi.ETagOf(viewOfPreferences(now))); err != nil {
			return err
		}
		return store.SetPreferences(ctx, tx, userID, chosen)
	})
	if err != nil {
		return nil, err
	}
	return preferencesResponseOf(chosen), nil
}

// admitUser returns an error if nothing about the user may be stored any more.
func admitUser(ctx context.Context, tx sqldb.Tx, userID string) error {
	admitted, err := store.AdmitUser(ctx, tx, userID)
	if err == nil && !admitted {
		err = errAccountDeleted
	}
	return err
}

func viewOfPreferences(p preferences.Preferences) preferencesView {
	v := preferencesView{TimeZone: p.TimeZone}
	if p.Quiet != nil {
		v.QuietHours = &quietHours{From: clockOf(p.Quiet.From), To: clockOf(p.Quiet.To)}
	}
	for category, field := range v.Categories.byName() {
		c := p.Of(category)
		*field = &choiceView{Email: c.Email, Push: c.Push, Inbox: c.Inbox, Digest: string(c.Digest)}
	}
	return v
}

// preferences returns the preferences that v describes. Its clock times have the form
// that their pattern requires.
func (v preferencesView) preferences() preferences.Preferences {
	p := preferences.Preferences{TimeZone: v.TimeZone, Choices: map[preferences.Category]preferences.Choice{}}
	if v.QuietHours != nil {
		p.Quiet = &preferences.Hours{From: minuteOf(v.QuietHours.From), To: minuteOf(v.QuietHours.To)}
	}
	for category, field := range v.Categories.byName() {
		if c := *field; c != nil {
			on := preferences.Channels{Email: c.Email, Push: c.Push, Inbox: c.Inbox}
			p.Choices[category] = preferences.Choice{Channels: on, Digest: preferences.Digest(c.Digest)}
		}
	}
	return p
}

func clockOf(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func minuteOf(clock string) int {
	digit := func(i int) int { return int(clock[i] - '0') }
	return (digit(0)*10+digit(1))*60 + digit(3)*10 + digit(4)
}

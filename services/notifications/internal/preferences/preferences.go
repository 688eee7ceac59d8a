// Package preferences holds the rules of how a user is notified: over which channels,
// at once or in a digest, and not in quiet hours. It is pure.
//
// What is critical (orders, payments, security) is sent at once, over at least one
// channel. Only the rest can be switched off, bundled and delayed.
package preferences

import (
	"maps"
	"slices"
	"strings"

	"troupe/platform/fault"
)

// Category is a group of notices that a user chooses channels for.
type Category string

// The categories.
const (
	Orders   Category = "orders"   // what was ordered, paid and cancelled
	Payments Category = "payments" // money that was refused or refunded
	Security Category = "security" // the account and its password
	Shipping Category = "shipping" // where the parcel is
)

// Categories are all categories, in the order in which they are shown.
var Categories = []Category{Orders, Payments, Security, Shipping}

// categories are those of the kinds of notices.
var categories = map[string]Category{
	"order.created":                Orders,
	"order.paid":                   Orders,
	"order.cancelled":              Orders,
	"payment.declined":             Payments,
	"payment.refunded":             Payments,
	"user.registered":              Security,
	"user.password_changed":        Security,
	"user.signed_in_on_new_device": Security,
	"order.shipped":                Shipping,
	"order.delivered":              Shipping,
	"digest":                       Shipping, // what is critical is never in one
}

// CategoryOf returns the category of a kind of notice, and false if it has none.
func CategoryOf(kind string) (Category, bool) {
	c, ok := categories[kind]
	return c, ok
}

// Critical reports whether notices of the category are always sent.
func (c Category) Critical() bool { return c != Shipping }

// Channels is a set of channels.
type Channels struct{ Email, Push, Inbox bool }

// All are all channels.
var All = Channels{Email: true, Push: true, Inbox: true}

// And returns the channels that are in both sets.
func (c Channels) And(d Channels) Channels {
	return Channels{c.Email && d.Email, c.Push && d.Push, c.Inbox && d.Inbox}
}

// Digest is how often the notices of a category are sent.
type Digest string

// The digests.
const (
	Off    Digest = "off"    // each at once
	Hourly Digest = "hourly" // together at the next full hour
	Daily  Digest = "daily"  // together at nine in the morning
)

// Choice is what a user has chosen for a category.
type Choice struct {
	Channels
	Digest Digest
}

// Preferences are all that a user has chosen.
type Preferences struct {
	Choices  map[Category]Choice // a category that is missing has DefaultChoice
	TimeZone string              // of the IANA database; "" means UTC
	Quiet    *Hours              // nil: none
}

// DefaultChoice is that of a user who has not chosen: every channel, at once.
var DefaultChoice = Choice{Channels: All, Digest: Off}

// Of returns the choice for a category.
func (p Preferences) Of(c Category) Choice {
	if choice, ok := p.Choices[c]; ok {
		return choice
	}
	return DefaultChoice
}

// Allows reports whether a notice of this kind may be sent over a channel, which is one
// of a set with one member. What is critical may be sent over every channel, because it
// was sent over one that the user had switched off only if no other was left.
func (p Preferences) Allows(kind string, channel Channels) bool {
	c, known := CategoryOf(kind)
	return !known || c.Critical() || p.Of(c).And(channel) != Channels{}
}

// Route returns the channels for a notice of a kind that is supported on some channels;
// reachable are those on which the user can be reached at all. A critical notice for
// which the choice leaves none has the first of mail and inbox that is supported.
func (p Preferences) Route(c Category, supported, reachable Channels) Channels {
	chosen := p.Of(c).And(supported).And(reachable)
	if chosen != (Channels{}) || !c.Critical() {
		return chosen
	}
	if supported.Email {
		return Channels{Email: true}
	}
	return Channels{Inbox: supported.Inbox}
}

// Check returns a fault that names the first rule that p breaks.
func (p Preferences) Check() error {
	for _, c := range slices.Sorted(maps.Keys(p.Choices)) {
		if err := p.Choices[c].check(c); err != nil {
			return err
		}
	}
	if _, err := zone(p.TimeZone); err != nil {
		return fault.New(fault.Invalid, "time_zone_unknown",
			"there is no such time zone; name one of the IANA database, for example Europe/Berlin").
			WithField("body.time_zone", "must be a time zone of the IANA database")
	}
	if p.Quiet != nil && p.Quiet.From == p.Quiet.To {
		return fault.New(fault.Invalid, "quiet_hours_invalid",
			"quiet hours must end at another time than they begin; leave quiet_hours out to have none").
			WithField("body.quiet_hours", "from and to must differ")
	}
	return nil
}

func (c Choice) check(category Category) error {
	field := "body.categories." + string(category)
	switch {
	case !slices.Contains(Categories, category):
		return fault.New(fault.Invalid, "category_unknown", "there is no such category; use one of %s", list(Categories)).
			WithField(field, "is not a category")
	case category == Security && !c.Email:
		return fault.New(fault.Invalid, "critical_category",
			"mails about the security of your account cannot be switched off; leave email on for security").
			WithField(field+".email", "must be true")
	case category.Critical() && c.Channels == Channels{}:
		return fault.New(fault.Invalid, "critical_category",
			"%s are always notified about; leave at least one of email, push and inbox on", category).
			WithField(field, "needs at least one channel")
	case category.Critical() && c.Digest != Off:
		return fault.New(fault.Invalid, "critical_category",
			"notifications about %s are sent at once; set digest to off", category).
			WithField(field+".digest", "must be off")
	}
	return nil
}

func list(categories []Category) string {
	names := make([]string, len(categories))
	for i, c := range categories {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}

package order

import (
	"fmt"
	"strings"

	"troupe/platform/fault"
	"troupe/services/orders/internal/postal"
)

// Address is where an order is delivered. What it must have depends on the country.
type Address struct {
	Name       string
	Company    string
	Line1      string
	Line2      string
	City       string
	State      string
	PostalCode string
	Country    string // ISO 3166-1 alpha-2, in capitals
	Phone      string
}

// Normalize returns the address as it is stored: without blanks around its members, and
// with the country's code in capitals. It fails with fault.Invalid for a country that
// does not exist and for an address that lacks what the country's post needs.
func (a Address) Normalize() (Address, error) {
	for _, member := range []*string{&a.Name, &a.Company, &a.Line1, &a.Line2, &a.City, &a.State, &a.PostalCode, &a.Country, &a.Phone} {
		*member = strings.TrimSpace(*member)
	}
	c, found := postal.Find(a.Country)
	if !found {
		return a, unknownCountry(a.Country)
	}
	a.Country = c.Code
	return a, a.check(c)
}

// unknownCountry returns the error for a code that no country has.
func unknownCountry(code string) error {
	hint := "send the ISO 3166-1 code of two letters, such as GB"
	if meant := postal.Meant(code); len(meant) > 0 {
		hint = "send " + strings.Join(meant, " or ")
	}
	e := fault.New(fault.Invalid, "country_unknown", "there is no country with the code %s; %s", code, hint)
	return e.WithField("body.shipping_address.country", e.Message)
}

// check returns fault.Invalid with every member that an address in c lacks. Where a
// city is not required, it may stand for the state: Hong Kong, Dubai.
func (a Address) check(c postal.Country) error {
	var e *fault.Error
	refuse := func(member, format string, args ...any) {
		message := fmt.Sprintf(format, args...)
		if e == nil {
			e = fault.New(fault.Invalid, "address_incomplete", "%s", message)
		}
		e = e.WithField("body.shipping_address."+member, message)
	}
	if c.NeedsCity && a.City == "" {
		refuse("city", "an address in %s needs a city; add it", c.Code)
	}
	if c.NeedsState && a.State == "" && (c.NeedsCity || a.City == "") {
		refuse("state", "an address in %s needs a state%s; add it", c.Code, c.StateHint)
	}
	switch {
	case c.NeedsCode && a.PostalCode == "":
		refuse("postal_code", "an address in %s needs a postal code, such as %s; add it", c.Code, c.Example)
	case !c.AcceptsCode(a.PostalCode):
		refuse("postal_code", "a postal code in %s looks like %s; correct it", c.Code, c.Example)
	}
	if e == nil {
		return nil
	}
	return e
}

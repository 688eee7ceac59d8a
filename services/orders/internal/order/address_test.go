package order

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
)

func to(city, state, code, country string) Address {
	return Address{Name: "Ada", Line1: "1 St", City: city, State: state, PostalCode: code, Country: country}
}

// Customers of some countries could not order, and others got parcels that came back:
// reports reactioncommerce/reaction#3530, woocommerce/woocommerce#50752, odoo/odoo#985,
// django-oscar/django-oscar#575.
func TestAnAddressHasWhatItsCountryNeeds(t *testing.T) {
	t.Parallel()
	for _, a := range []Address{
		to("Hong Kong", "", "", "HK"), to("", "Kowloon", "", "HK"), to("Dubai", "", "", "AE"), to("", "Dubai", "", "AE"), to("Doha", "", "", "QA"),
		to("", "", "018956", "SG"), to("Singapore", "", "018956", "SG"), to("Gibraltar", "", "GX11 1AA", "GI"), to("Prishtina", "", "10000", "XK"),
		to("London", "", "sw1y4jh", "gb"), to("Springfield", "IL", "62701", "US"), to("千代田区", "", "100-0001", "JP"), to("", "東京都", "100-0001", "JP"),
		to("Dublin", "", "", "IE"), to("Milano", "MI", "20121", "IT"), to("Macau", "", "", "MO"), to("", "", "", "MO"),
	} {
		_, err := a.Normalize()
		require.NoError(t, err, a)
	}
	for _, c := range []struct {
		address  Address
		member   string
		sentence string
	}{
		{to("", "", "SW1Y 4JH", "GB"), "city", "an address in GB needs a city; add it"},
		{to("London", "", "", "GB"), "postal_code", "an address in GB needs a postal code, such as EC1Y 8SY; add it"},
		{to("London", "", "12345", "GB"), "postal_code", "a postal code in GB looks like EC1Y 8SY; correct it"},
		{to("Springfield", "", "62701", "US"), "state", "an address in US needs a state; add it"},
		{to("", "", "", "HK"), "state", "an address in HK needs a state (area); add it"},
		{to("", "", "", "SG"), "postal_code", "an address in SG needs a postal code, such as 546080; add it"},
		{to("London", "", "SW1Y 4JH", "UK"), "country", "there is no country with the code UK; send GB"},
		{to("Moscow", "", "", "SU"), "country", "there is no country with the code SU; send RU"},
		{to("x", "", "", "AN"), "country", "there is no country with the code AN; send CW or SX or BQ"},
		{to("London", "", "", "GBR"), "country", "there is no country with the code GBR; send GB"},
		{to("x", "", "", "ZZ"), "country", "there is no country with the code ZZ; send the ISO 3166-1 code of two letters, such as GB"},
		{to("x", "", "", "EU"), "country", "there is no country with the code EU; send the ISO 3166-1 code of two letters, such as GB"},
	} {
		_, err := c.address.Normalize()
		var f *fault.Error
		require.True(t, errors.As(err, &f), c.sentence)
		require.Equal(t, fault.Invalid, f.Kind)
		require.Equal(t, c.sentence, f.Message)
		require.Equal(t, "body.shipping_address."+c.member, f.Fields[0].Location)
	}
}

func TestAnAddressIsStoredWithoutBlanksAroundItsMembers(t *testing.T) {
	t.Parallel()
	a := Address{Name: " Ada ", Company: " ", Line1: "1 St ", City: "\u00a0London", PostalCode: " sw1y 4jh ", Country: "gb", Phone: "+44 20 "}
	got, err := a.Normalize()
	require.NoError(t, err)
	require.Equal(t, Address{Name: "Ada", Line1: "1 St", City: "London", PostalCode: "sw1y 4jh", Country: "GB", Phone: "+44 20"}, got)
}

func TestAllThatAnAddressLacksIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := to("", "", "", "US").Normalize()
	var f *fault.Error
	require.True(t, errors.As(err, &f))
	require.Equal(t, "address_incomplete", f.Code)
	require.Len(t, f.Fields, 3)
}

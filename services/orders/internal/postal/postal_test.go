package postal

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
)

// A second opinion: CLDR's regions that are countries. It counts some that ISO 3166-1 only
// reserves, and knows those that have ended.
func TestTheCountriesAreThoseOfISO3166(t *testing.T) {
	t.Parallel()
	require.Len(t, countries(), 249+1, "ISO 3166-1 has 249, and Kosovo is known as XK")
	var others []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string(a) + string(b)
			region, err := language.ParseRegion(code)
			if _, ours := countries()[code]; !ours && err == nil && region.IsCountry() && region.Canonicalize() == region {
				others = append(others, code)
			}
		}
	}
	require.Equal(t, strings.Fields("AC AN CP CQ CS DG EA EZ FQ IC NT PC SU TA UN YU"), others, "reserved, or withdrawn")
	for _, code := range slices.Sorted(maps.Keys(countries())) {
		region, err := language.ParseRegion(code)
		require.NoError(t, err, code)
		require.True(t, region.IsCountry(), code)
	}
}

func TestEveryExampleIsAPostalCodeOfItsCountry(t *testing.T) {
	t.Parallel()
	for code, c := range countries() {
		require.NotNil(t, c.pattern(), code)
		if c.NeedsCode {
			require.True(t, c.AcceptsCode(c.Example), code)
			require.False(t, c.AcceptsCode("not a code"), code)
		}
	}
}

func TestAPostalCodeIsAcceptedHoweverItIsSeparated(t *testing.T) {
	t.Parallel()
	for country, codes := range map[string][]string{
		"GB": {"SW1Y 4JH", "sw1y4jh", "EC1Y-8SY", "BFPO 57"},
		"US": {"22201", "22201-1234", "22201 1234"},
		"PL": {"00-950", "00950"},
		"PT": {"2725-079", "2725079", "PT-2725-079"},
		"NL": {"1234 AB", "1234ab", "NL-1234AB"},
		"SE": {"114 55", "11455", "SE-114 55"},
		"LU": {"4750", "L-4750", "LU-4750"},
		"CA": {"H3Z 2Y7", "h3z2y7", "H3Z-2Y7"},
		"JP": {"154-0023", "1540023"},
		"DE": {"26133", "DE-26133"},
		"LV": {"LV-1073", "1073"},
		"HK": {"", "000000", "anything"},
		"IE": {"A65 F4E2", ""},
		"EG": {"11412", "4272013"}, // seven digits came after the table
	} {
		c, found := Find(country)
		require.True(t, found)
		for _, code := range codes {
			require.True(t, c.AcceptsCode(code), "%s %s", country, code)
		}
	}
	for country, code := range map[string]string{"GB": "12345", "US": "2220", "DE": "ABCDE", "CA": "D3Z 2Y7", "PL": "0095"} {
		c, _ := Find(country)
		require.False(t, c.AcceptsCode(code), "%s %s", country, code)
	}
}

func TestASlipInACodeIsUnderstood(t *testing.T) {
	t.Parallel()
	for code, means := range meant {
		_, found := Find(code)
		require.False(t, found, code)
		for _, m := range means {
			_, found := Find(m)
			require.True(t, found, "%s for %s", m, code)
		}
	}
	for code, means := range map[string]string{"uk": "GB", "GBR": "GB", "usa": "US", "DD": "DE", "SU": "RU", "ZR": "CD", "FX": "FR", "TP": "TL"} {
		require.Equal(t, []string{means}, Meant(code), code)
	}
	for _, code := range []string{"", "ZZ", "XX", "AA", "EU", "QO", "England", "u\u212a", "001", "150"} {
		require.Empty(t, Meant(code), code)
	}
	_, found := Find("gb")
	require.True(t, found)
	_, found = Find("s\u212a")
	require.False(t, found, "a Kelvin sign")
}

// Package postal knows which countries there are and what an address in each of them
// must have: some have no postal codes, some no cities, some need a state.
//
// The table countries.tsv comes from the address data that Google publishes for its
// libaddressinput; command generate makes it. A postal code is only compared with the
// country's pattern where it is required, because patterns change: a letter to a
// country without that rule arrives with any code.
package postal

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"troupe/platform/ascii"
)

// Country is what is known about the addresses of a country.
type Country struct {
	Code       string // ISO 3166-1 alpha-2
	NeedsCity  bool
	NeedsState bool
	NeedsCode  bool   // the postal code
	Example    string // of a postal code; "" if none is known
	StateHint  string // what a state is called there: " (prefecture)"; "" if it is called a state

	pattern func() *regexp.Regexp // of a postal code without blanks and hyphens
	prefix  string                // what people put before it: "L" of L-4750
}

//go:embed countries.tsv
var table string

var countries = sync.OnceValue(func() map[string]Country {
	all := map[string]Country{}
	for line := range strings.Lines(table) {
		c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(c) != 6 {
			continue
		}
		all[c[0]] = Country{
			Code:      c[0],
			NeedsCity: strings.Contains(c[1], "C"), NeedsState: strings.Contains(c[1], "S"), NeedsCode: strings.Contains(c[1], "Z"),
			pattern: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + c[2] + `)$`) }),
			Example: c[3], prefix: c[4], StateHint: stateHint(c[5]),
		}
	}
	return all
})

func stateHint(name string) string {
	switch name {
	case "state":
		return ""
	case "":
		name = "province or region"
	}
	return " (" + strings.ReplaceAll(name, "_", " or ") + ")"
}

// Find returns the country with a code, in either case, and whether there is one.
func Find(code string) (Country, bool) {
	c, found := countries()[ascii.Upper(code)]
	return c, found
}

// meant lists codes that people write for a country that has another, and former ones
// of countries that have ended and have more than one successor.
var meant = map[string][]string{
	"EN": {"GB"}, "EL": {"GR"}, "JA": {"JP"}, "SP": {"ES"}, "IC": {"ES"}, "AC": {"SH"}, "TA": {"SH"},
	"SU": {"RU"}, "AN": {"CW", "SX", "BQ"}, "YU": {"RS", "ME"}, "CS": {"CZ", "SK", "RS", "ME"},
}

// Meant returns the codes that someone who wrote this one may have meant: of three
// letters (GBR), in use for something else (UK), or withdrawn (DD).
func Meant(code string) []string {
	code = ascii.Upper(code)
	if codes, known := meant[code]; known {
		return slices.Clone(codes)
	}
	region, err := language.ParseRegion(code)
	if c, found := Find(region.Canonicalize().String()); err == nil && found {
		return []string{c.Code}
	}
	return nil
}

var compact = strings.NewReplacer(" ", "", "-", "", "\u00a0", "")

// AcceptsCode reports whether a postal code looks like those of the country, however it
// is separated and in either case.
func (c Country) AcceptsCode(code string) bool {
	if !c.NeedsCode {
		return true
	}
	code = ascii.Upper(compact.Replace(code))
	spellings := []string{code, strings.TrimPrefix(code, c.prefix), strings.TrimPrefix(code, c.Code), c.Code + code}
	return slices.ContainsFunc(spellings, c.pattern().MatchString)
}

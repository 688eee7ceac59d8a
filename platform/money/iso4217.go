package money

import "strings"

// decimals maps each currency of ISO 4217 that money is paid in to its number of
// digits after the decimal point. Funds, metals and test codes (XAU, XTS, CHE, UYI)
// are left out.
var decimals = table(
	group{0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"},
	group{2, "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL " +
		"BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD " +
		"EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR " +
		"ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA " +
		"MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB " +
		"PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS " +
		"SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED " +
		"VES WST XCD XCG YER ZAR ZMW ZWG"},
	group{3, "BHD IQD JOD KWD LYD OMR TND"},
)

// group is the currencies with the same number of decimals.
type group struct {
	decimals int
	codes    string // separated by spaces
}

// table returns the decimals by currency code.
func table(groups ...group) map[string]int {
	t := map[string]int{}
	for _, g := range groups {
		for code := range strings.FieldsSeq(g.codes) {
			t[code] = g.decimals
		}
	}
	return t
}

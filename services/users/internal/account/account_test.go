package account

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/platform/ascii"
	"troupe/platform/fault"
)

func TestParseEmail(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"ada@example.com":                "ada@example.com",
		" Ada.Lovelace+shop@EXAMPLE.co ": "ada.lovelace+shop@example.co",
		"o'neil@mail.example.museum":     "o'neil@mail.example.museum",
		"x@xn--bcher-kva.example":        "x@xn--bcher-kva.example",
	} {
		got, err := ParseEmail(typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{
		"", "@", "ada", "ada@", "@example.com", "ada@localhost", "ada@example..com", "ada@-example.com", ".ada@example.com", "ada.@example.com",
		"a..b@example.com", "ada@example.com, eve@example.com", "Ada <ada@example.com>", `"ada"@example.com`, "ada@[127.0.0.1]", "ada @example.com",
		"ada@example.com\nBcc: eve@example.com", "ada@example.com\x00", "ädä@example.com", "ada@exämple.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("a.", 130) + "com",
	} {
		_, err := ParseEmail(bad)
		require.True(t, fault.Is(err, fault.Invalid), bad)
	}
}

// Letters beyond ASCII that fold to one made an address that of another person: report
// pennersr/django-allauth#2413 (CVE-2019-19844).
func TestWhatFoldsToASCIIIsNoPartOfAnAddress(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"\u212aim@example.com", "\u0130im@example.com", "\u0131im@example.com", "mi\u017f@example.com", "\uff4bim@example.com",
		"m@example\uff0ecom", "m@e\u212aample.com", "m@example.\u212aim", "\u00a0ada@example.com", "ada@example.com\u2028", "\u3000ada@example.com",
	} {
		_, err := ParseEmail(typed)
		require.Equal(t, "email_invalid", fault.CodeOf(err), "%q", typed)
	}
}

// Whatever is typed, the stored address is what was typed, up to the case of ASCII
// letters and the blanks around it.
func TestTheStoredAddressIsTheTypedOne(t *testing.T) {
	t.Parallel()
	part := rapid.StringOf(rapid.OneOf(
		rapid.RuneFrom([]rune("abkKsS09.+-_'@ ")),
		rapid.SampledFrom([]rune("\u212a\u0130\u0131\u017f\u212b\uff4b\uff0e\u3002\u00df\u0307\u200b")),
	))
	rapid.Check(t, func(t *rapid.T) {
		typed := part.Draw(t, "local part") + rapid.SampledFrom([]string{"@Example.com", "@sKi.example", ""}).Draw(t, "domain")
		stored, err := ParseEmail(typed)
		if err != nil {
			return
		}
		require.Equal(t, ascii.Lower(strings.Trim(typed, " ")), stored)
		again, err := ParseEmail(stored)
		require.NoError(t, err)
		require.Equal(t, stored, again)
	})
}

// Names that programs take for something else, or for too short: reports
// civicrm/civicrm-packages#79, digitalfabrik/entitlementcard#1829, novuhq/novu#5414.
func TestANameIsWhatAPersonIsCalled(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Null", "null", "undefined", "None", "NaN", "true", "0", "O", "Ng", "X Æ A-12", "Jennifer 8. Lee", "van der Merwe", "Sukarno",
		"O'Neil", "Zoë Ó Súilleabháin", "Robert'); DROP TABLE Students;--", "{{.Shop}}", "%s%n", "-", "1/2",
	} {
		got, err := ParseName(name)
		require.NoError(t, err, name)
		require.Equal(t, name, got)
	}
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		" Ada Lovelace\n":        "Ada Lovelace",
		"李清照":                    "李清照",
		"José-María O'Neill 3.":  "José-María O'Neill 3.",
		"e\u0301lise":            "e\u0301lise",
		"علی\u200cرضا":           "علی\u200cرضا",
		"क्\u200dष":              "क्\u200dष",
		"👩\u200d🚀":               "👩\u200d🚀",
		strings.Repeat("ü", 100): strings.Repeat("ü", 100),
	} {
		got, err := ParseName(typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{
		"", " \t", strings.Repeat("a", 101), "a\x00", "a\nb", "a\u0085b", "\xff", "a\u2028b", "a\u2029b",
		"\u200b", "\u200d", "\u200c\u200d", "\ufeff", "\u00ad", "\u3164", "\u115f", "\u2800", "\u0301", "\ufe0f", "\u034f",
		"a\u202eb", "a\u202ab", "a\u2066b", "a\u200fb", "a\u200bb", "a\u00adb", "a\U000e0041b",
	} {
		_, err := ParseName(bad)
		require.True(t, fault.Is(err, fault.Invalid), "%q", bad)
	}
}

// Browsers and operating systems write language tags in many ways: reports
// Unleash/unleash-frontend#265, mozilla/pdf.js#4335, mumuy/datex#2, marimo-team/marimo#9945.
func TestALanguageTagIsNormalizedAndNeverRefused(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"en": "en", "EN": "en", "en-us": "en-US", "en_US": "en-US", "de-de": "de-DE", "zh-hant-tw": "zh-Hant-TW", "es-419": "es-419",
		"ca-es-VALENCIA": "ca-ES-valencia", "de-CH-1996": "de-CH-1996", "en-GB-oxendict": "en-GB-oxendict", "sr-latn-rs": "sr-Latn-RS",
		"en-US-u-ca-gregory": "en-US-u-ca-gregory", "de_AT.UTF-8": "de-AT", "de_DE@euro": "de-DE", "fil-PH": "fil-PH", "no": "no",
		"x-private": "x-private", "fr-CA,fr;q=0.9": "fr-CA", " pt-BR ": "pt-BR",
		"": "en", "C": "en", "C.UTF-8": "en", "POSIX": "en", "*": "en", "und": "en", "../en": "en", "\u212ao": "en", "english, please": "en",
	} {
		got := Locale(sent)
		require.Equal(t, want, got, "%q", sent)
		require.Equal(t, got, Locale(got), "%q", sent)
	}
}

func TestAChangeToTheSameValuesIsNoChange(t *testing.T) {
	t.Parallel()
	then := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	a := Account{Name: "Ada", Locale: "en", Version: 3, UpdatedAt: then}
	name, locale, nothing := " Ada ", "en", " "

	changed, err := a.Change(Profile{Name: &name, Locale: &locale}, then.Add(time.Hour))
	require.NoError(t, err)
	require.False(t, changed)
	_, err = a.Change(Profile{Name: &nothing}, then)
	require.True(t, fault.Is(err, fault.Invalid))

	name = "Ada King"
	changed, err = a.Change(Profile{Name: &name}, then.Add(time.Hour))
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, Account{Name: "Ada King", Locale: "en", Version: 4, UpdatedAt: then.Add(time.Hour)}, a)
}

func TestANameIsNoAdvertisement(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Claim your refund now https://evil.example/pay", "http://a.b", "visit WWW.evil", "go to evil.example today", "evil。example",
		"ada@evil.example", "ftp://x", "=?utf-8?B?4oCuZ25p?=", "Hi =?UTF-8?q?there?=",
	} {
		_, err := ParseName(name)
		require.True(t, fault.Is(err, fault.Invalid), name)
		require.Equal(t, "name_invalid", fault.CodeOf(err), name)
	}
	for _, name := range []string{
		"J.R.R. Tolkien", "Mary-Jane O.Connor", "St. John", "Jr. M. L. King", "Ólafur Ragnar", "Jean-Luc", "D'Arcy", "Dr. No", "山田 太郎", "x = ? y",
	} {
		_, err := ParseName(name)
		require.NoError(t, err, name)
	}
}

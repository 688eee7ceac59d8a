package account

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

func TestParseLocale(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"en", "pt-BR", "zh-Hant-TW", "es-419", "fil"} {
		_, err := ParseLocale(good)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{"", "EN", "e", "english", "en_US", "en-us", "../en", "en-", "en-US\n"} {
		_, err := ParseLocale(bad)
		require.True(t, fault.Is(err, fault.Invalid), bad)
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

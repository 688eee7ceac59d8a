package ascii_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/platform/ascii"
)

// Letters that strings.ToLower, strings.ToUpper or strings.EqualFold make an ASCII one.
const folding = "\u212a\u0130\u0131\u017f\u212b"

func TestOnlyASCIIIsFolded(t *testing.T) {
	t.Parallel()
	require.Equal(t, "kelvin, \u212a \u0130 Ä [`{", ascii.Lower("KelVIN, \u212a \u0130 Ä [`{"))
	require.Equal(t, "KELVIN, \u017f \u0131 ä @[`{", ascii.Upper("kelVIN, \u017f \u0131 ä @[`{"))
	require.True(t, ascii.EqualFold("WebSocket", "websocket"))
	require.False(t, ascii.EqualFold("web\u017foc\u212aet", "websocket"))
	require.True(t, strings.EqualFold("web\u017foc\u212aet", "websocket"), "the case that this package is for")
}

func TestFoldingAgreesWithStringsOnASCII(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune(folding))).Draw(t, "s") + rapid.StringMatching(`[ -~]*`).Draw(t, "ascii")
		plain := strings.TrimLeftFunc(s, func(r rune) bool { return r > '~' })
		odd := s[:len(s)-len(plain)]
		require.Equal(t, odd+strings.ToLower(plain), ascii.Lower(s))
		require.Equal(t, odd+strings.ToUpper(plain), ascii.Upper(s))
		require.True(t, ascii.EqualFold(ascii.Lower(s), ascii.Upper(s)))
	})
}

package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDecodeAgreesWithEncodingJSON checks that decode accepts only what encoding/json
// reads in the same way, and that the value, encoded again, is accepted again with the
// same number of members: so no key was lost.
func FuzzDecodeAgreesWithEncodingJSON(f *testing.F) {
	for _, body := range []string{`{"a":{"a":[1,"a:b\"",null]}}`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"k":1,"\u212a":2}`, `"\ud800"`, `[{},{"":0}]`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var got, want any
		if decode(jsonType, []byte(body), &got) != nil {
			return
		}
		require.NoError(t, json.Unmarshal([]byte(body), &want))
		require.Equal(t, want, got)
		again, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, countWrittenMembers([]byte(body)), countWrittenMembers(again))
		require.NoError(t, decode(jsonType, again, &got))
	})
}

func TestFoldRuneAgreesWithEqualFold(t *testing.T) {
	t.Parallel()
	for r := range rune(0x20000) {
		lower, upper := strings.ToLower(string(r)), strings.ToUpper(string(r))
		for _, other := range []string{lower, upper} {
			same := strings.Map(foldRune, string(r)) == strings.Map(foldRune, other)
			if same != strings.EqualFold(string(r), other) {
				require.Fail(t, "folded differently", "%q %q", r, other)
			}
		}
	}
}

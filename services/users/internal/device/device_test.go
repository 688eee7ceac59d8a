package device

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const id = "01890a5d-ac96-774b-bcce-b302099a8057"

var signedIn = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestADeviceIsKnownAtItsAccountForHalfAYear(t *testing.T) {
	t.Parallel()
	tokens := NewTokens([]byte("a key"))
	token, err := tokens.Write(id, "ada", signedIn)
	require.NoError(t, err)
	got, known := tokens.Read(token, "ada", signedIn.Add(Lifetime-time.Second))
	require.True(t, known)
	require.Equal(t, id, got)

	for name, read := range map[string]func() (string, bool){
		"too old":         func() (string, bool) { return tokens.Read(token, "ada", signedIn.Add(Lifetime)) },
		"another account": func() (string, bool) { return tokens.Read(token, "bob", signedIn) },
		"another key":     func() (string, bool) { return NewTokens([]byte("other")).Read(token, "ada", signedIn) },
		"a longer name": func() (string, bool) {
			return tokens.Read(token, "ada ", signedIn)
		},
	} {
		_, known := read()
		require.False(t, known, name)
	}
}

func TestForgedTokensAreNotKnown(t *testing.T) {
	t.Parallel()
	tokens := NewTokens([]byte("a key"))
	token, err := tokens.Write(id, "ada", signedIn)
	require.NoError(t, err)
	for i := range token {
		forged := token[:i] + string(token[i]^1) + token[i+1:]
		_, known := tokens.Read(forged, "ada", signedIn)
		require.False(t, known, "byte %d", i)
	}
	for _, forged := range []string{"", "x", tokenPrefix, token + "A", token[1:], strings.Replace(token, "_dt1_", "_rt1_", 1)} {
		_, known := tokens.Read(forged, "ada", signedIn)
		require.False(t, known, forged)
	}
	_, err = tokens.Write("no uuid", "ada", signedIn)
	require.Error(t, err)
}

func FuzzRead(f *testing.F) {
	tokens := NewTokens([]byte("a key"))
	f.Add(tokenPrefix+strings.Repeat("A", 75), "ada")
	f.Fuzz(func(t *testing.T, token, account string) {
		_, known := tokens.Read(token, account, signedIn)
		require.False(t, known, "nobody without the key can write a token")
	})
}

package push

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	return b
}

// The example of RFC 8291, section 5 and appendix A.
func TestTheExampleOfRFC8291(t *testing.T) {
	t.Parallel()
	own, err := ecdh.P256().NewPrivateKey(decode(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	require.NoError(t, err)
	require.Equal(t, decode(t, "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"), own.PublicKey().Bytes())
	keys, err := ParseKeys(
		"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
		"BTBZMqHH6r4Tts7J_aSIgg")
	require.NoError(t, err)
	body, err := encrypt([]byte("When I grow up, I want to be a watermelon"), keys, own, decode(t, "DGv6ra1nlYgDCS1FRnbzlw"))
	require.NoError(t, err)
	require.Equal(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"+
		"mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"+
		"pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
		base64.RawURLEncoding.EncodeToString(body))
}

// The example of RFC 8188, section 3.1.
func TestTheExampleOfRFC8188(t *testing.T) {
	t.Parallel()
	body, err := seal([]byte("I am the walrus"), decode(t, "yqdlZ-tYemfogSmv7Ws5PQ"), decode(t, "I1BsxtFttlv3u_Oo94xnmw"), nil)
	require.NoError(t, err)
	require.Equal(t, "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg",
		base64.RawURLEncoding.EncodeToString(body))
}

func TestAPayloadHasALimit(t *testing.T) {
	t.Parallel()
	keys, err := ParseKeys("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg")
	require.NoError(t, err)
	body, err := Encrypt(bytes.Repeat([]byte("a"), MaxPayload), keys)
	require.NoError(t, err)
	require.Len(t, body, 4096)
	_, err = Encrypt(bytes.Repeat([]byte("a"), MaxPayload+1), keys)
	require.ErrorIs(t, err, errPayloadTooLarge)
}

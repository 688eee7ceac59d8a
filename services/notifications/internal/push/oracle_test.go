package push

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	mathrand "math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/pushservice"
)

// npm's http_ece decrypts what Encrypt encrypts.
func TestHTTPECEDecryptsOurMessages(t *testing.T) {
	t.Parallel()
	scripts := pushservice.Scripts(t)
	const messages = 1000
	encode := base64.RawURLEncoding.EncodeToString
	var input bytes.Buffer
	for range messages {
		key, err := ecdh.P256().GenerateKey(rand.Reader)
		require.NoError(t, err)
		auth, plain := make([]byte, authSize), make([]byte, mathrand.IntN(MaxPayload+1))
		_, _ = rand.Read(auth)  // never fails
		_, _ = rand.Read(plain) // never fails
		body, err := Encrypt(plain, Keys{P256DH: key.PublicKey(), Auth: auth})
		require.NoError(t, err)
		require.NoError(t, json.NewEncoder(&input).Encode(map[string]string{
			"private": encode(key.Bytes()), "auth": encode(auth), "body": encode(body), "plain": encode(plain),
		}))
	}
	command := exec.CommandContext(t.Context(), "node", filepath.Join(scripts, "decrypt.mjs"))
	command.Stdin = &input
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "1000\n", string(out))
}

package pushservice_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/test/pushservice"
)

// npm's web-push is understood, so the push service accepts what others send.
func TestNPMWebPushIsUnderstood(t *testing.T) {
	t.Parallel()
	scripts := pushservice.Scripts(t)
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	public := base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())
	p := pushservice.Start(t)
	b := p.Subscribe(t, public, time.Now)
	input, err := json.Marshal(map[string]any{
		"publicKey": public, "privateKey": base64.RawURLEncoding.EncodeToString(key.Bytes()),
		"subscription": b.JSON(), "payload": `{"title":"Grüße","kind":"order.paid"}`,
	})
	require.NoError(t, err)

	command := exec.CommandContext(t.Context(), "node", filepath.Join(scripts, "send.mjs"))
	command.Env = append(command.Environ(), "NODE_EXTRA_CA_CERTS="+p.CA)
	command.Stdin = bytes.NewReader(input)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "201\n", string(out))
	require.Len(t, b.Received(), 1)
	got := b.Received()[0]
	require.Equal(t, "Grüße", got.Title)
	require.Equal(t, []string{"60", "high", "order", "mailto:push@shop.example"}, []string{got.TTL, got.Urgency, got.Topic, got.Subject})
}

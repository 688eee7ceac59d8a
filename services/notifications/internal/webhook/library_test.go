package webhook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/safedial"
	"troupe/services/notifications/internal/webhook"
)

// What is sent over the wire is accepted by a library that others wrote.
func TestTheLibraryOfStandardWebhooksVerifies(t *testing.T) {
	t.Parallel()
	scripts := os.Getenv("WEBHOOKS_SCRIPTS")
	if scripts == "" {
		t.Skip("WEBHOOKS_SCRIPTS is not set: scripts/webhooks runs this test")
	}
	headers, body := make(chan http.Header, 1), make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		read, _ := io.ReadAll(r.Body)
		headers <- r.Header
		body <- string(read)
	}))
	t.Cleanup(server.Close)
	previous, present := webhook.NewSecret(), webhook.NewSecret()
	loopback := safedial.Policy{HTTP: true, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	sent := webhook.Send(t.Context(), loopback.Client(10*time.Second), webhook.Message{
		ID: "019b0000-0000-7000-8000-00000000e5e0", Time: time.Now(), Body: []byte(`{"total":"1 €"}`), URL: server.URL, Secrets: []string{present, previous},
	})
	require.True(t, sent.Accepted(), sent.Reply)
	received := map[string]string{}
	for name, values := range <-headers {
		received[strings.ToLower(name)] = values[0]
	}
	encoded, err := json.Marshal(received)
	require.NoError(t, err)
	text := <-body
	verify := func(secret, body string) error {
		command := exec.CommandContext(t.Context(), "node", scripts+"/verify.mjs", secret, body)
		command.Stdin = strings.NewReader(string(encoded))
		return command.Run()
	}
	require.NoError(t, verify(present, text))
	require.NoError(t, verify(previous, text), "during a rotation")
	require.Error(t, verify(webhook.NewSecret(), text))
	require.Error(t, verify(present, text+" "))
}

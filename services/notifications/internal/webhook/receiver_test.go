package webhook_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/webhook"
)

// The receiver of docs/WEBHOOKS.md accepts what is sent, and nothing else.
func TestTheReceiverOfTheDocumentVerifiesMessages(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("python3 is not installed: the example of docs/WEBHOOKS.md is left out")
	}
	document, err := os.ReadFile("../../../../docs/WEBHOOKS.md")
	require.NoError(t, err)
	_, code, _ := strings.Cut(string(document), "```python\n")
	code, _, found := strings.Cut(code, "```")
	require.True(t, found, "docs/WEBHOOKS.md has no example in Python")
	require.Less(t, strings.Count(code, "\n"), 16)

	secret, other, now := webhook.NewSecret(), webhook.NewSecret(), time.Unix(1_800_000_000, 0)
	m := webhook.Message{ID: "019b0000-0000-7000-8000-00000000e5e0", Time: now, Body: []byte(`{"total":"1 €"}`), Secrets: []string{other, secret}}
	signature, err := m.Signature()
	require.NoError(t, err)
	for _, c := range []struct {
		secret, body string
		age          int
		want         string
	}{
		{secret, string(m.Body), 0, ""},
		{other, string(m.Body), 299, ""},
		{secret, string(m.Body), 301, "too old"},
		{secret, string(m.Body), -301, "too old"},
		{secret, string(m.Body) + " ", 0, "signature is wrong"},
		{webhook.NewSecret(), string(m.Body), 0, "signature is wrong"},
	} {
		call := fmt.Sprintf("\nverify(%q, {'webhook-id': %q, 'webhook-timestamp': '%d', 'webhook-signature': %q}, %q.encode(), %d)\n",
			c.secret, m.ID, m.Time.Unix(), signature, c.body, now.Unix()+int64(c.age))
		out, err := exec.CommandContext(t.Context(), python, "-c", code+call).CombinedOutput()
		require.Equal(t, c.want == "", err == nil, "%s", out)
		require.Contains(t, string(out), c.want)
	}
}

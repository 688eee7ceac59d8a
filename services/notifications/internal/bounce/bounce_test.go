package bounce_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/bounce"
)

const id = "019b0000-0000-7000-8000-0000deadbeef"

// read returns a report of a real server, with the lines that mails have.
func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return []byte(strings.ReplaceAll(string(text), "\n", "\r\n"))
}

func TestReportsOfRealServersAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bounce.Report{
		"postfix.eml":  {Kind: bounce.Failed, DeliveryID: id, Recipient: "ada@example.test", Status: "5.1.1", Diagnostic: "550 5.1.1 <ada@example.test>: Recipient address rejected: User unknown"},
		"delayed.eml":  {Kind: bounce.Delayed, DeliveryID: id, Recipient: "ada@example.test", Status: "4.4.1", Diagnostic: "connect to mx.example.test[192.0.2.1]:25: Connection timed out"},
		"exchange.eml": {Kind: bounce.Failed, DeliveryID: id, Recipient: "ada@example.test", Status: "5.2.2", Diagnostic: "554 5.2.2 mailbox full"},
		"forward.eml":  {Kind: bounce.Failed, DeliveryID: id, Recipient: "ada@example.test", Status: "5.1.1", Diagnostic: "550 no such user"},
		"abuse.eml":    {Kind: bounce.Complaint, DeliveryID: id, Recipient: "ada@example.test", Diagnostic: "feedback report: abuse"},
		"holiday.eml":  {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := bounce.Parse(read(t, name))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestWhatIsNoMailIsRefused(t *testing.T) {
	t.Parallel()
	_, err := bounce.Parse([]byte("hello"))
	require.ErrorIs(t, err, bounce.ErrNotAMessage)
}

func TestTheReturnAddressHasTheDeliveryInIt(t *testing.T) {
	t.Parallel()
	require.Equal(t, "bounces+"+id+"@shop.test", bounce.ReturnAddress("bounces@shop.test", id))
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	require.NoError(f, err)
	for _, file := range files {
		f.Add(read(f, filepath.Base(file)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := bounce.Parse(raw)
		if err != nil {
			require.Zero(t, r)
		}
	})
}

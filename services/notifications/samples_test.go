package notifications_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// oddNames are names of products that could break a mail.
var oddNames = []string{
	`Tom & Jerry's <3 "mug"`, "日本語の急須", "👩‍👩‍👧‍👦 family set", "Crème brûlée – 2 Stück", ".", "..hidden", "مرحبا بالعالم",
	"a very long name that goes on and on and on and on and on and on and on and on and on and on and on",
}

// expectations are what is read in the sample mails, by their subject.
var expectations = map[string]struct {
	contains    []string
	unsubscribe bool
}{
	"We have received your order DEADBEEF (30.48 EUR)": {contains: oddNames},
	"Ihre Bestellung DEADBEEF wurde versandt":          {contains: []string{"Lager verlassen"}, unsubscribe: true},
	"Ihre Bestellung 00C0FFEE wurde storniert":         {contains: []string{"Es tut uns leid", "nicht rechtzeitig bestätigen"}},
	"Your order DEADBEEF has been shipped":             {contains: []string{"left our warehouse"}, unsubscribe: true},
}

// writeSamples writes the mails, the records of the keys, and what should be read in them.
func writeSamples(t *testing.T, folder string, mails []smtptest.Mail, records map[string]string) {
	t.Helper()
	write := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	encode := func(name string, content any) {
		encoded, err := json.Marshal(content)
		require.NoError(t, err)
		write(name, encoded)
	}
	var keys strings.Builder
	for name, value := range records {
		fmt.Fprintf(&keys, "%s %s\n", name, value)
	}
	write("keys", []byte(keys.String()))
	encode("records.json", records)
	var expected []map[string]any
	found := 0
	for n, m := range mails {
		file := fmt.Sprintf("%02d.eml", n)
		write(file, []byte(m.Data))
		subject, err := new(mime.WordDecoder).DecodeHeader(header(t, m).Get("Subject"))
		require.NoError(t, err)
		want, ok := expectations[subject]
		if ok {
			found++
		}
		expected = append(expected, map[string]any{
			"file": file, "subject": subject, "sender": oddSender, "to": m.To, "contains": append([]string{}, want.contains...), "unsubscribe": want.unsubscribe,
		})
	}
	require.Equal(t, len(expectations), found)
	encode("expected.json", expected)
}

const (
	oddSender = "Café Ümläut & Söhne"
	eveOrder  = "019b0000-0000-7000-8000-e5e0deadbeef"
)

// TestSampleMails writes signed mails, their text as it should be read, and the DNS records
// of the keys into MAIL_SAMPLES: scripts/mail has other programs verify and read them.
func TestSampleMails(t *testing.T) {
	folder := os.Getenv("MAIL_SAMPLES")
	if folder == "" {
		t.Skip("set MAIL_SAMPLES to the folder for the mails; scripts/mail does")
	}
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		o := created
		o.Lines = nil
		for _, name := range oddNames {
			o.Lines = append(o.Lines, events.OrderLine{SKU: "odd", Name: name, Quantity: 2, UnitPrice: events.Money{Amount: 1299, Currency: "EUR"}})
		}
		h.Consumes(t, adaRegistered, o)
		h.Consumes(t, paid, shipped, refunded, events.UserPasswordChanged{UserID: ada}, events.UserSignedInOnNewDevice{UserID: ada})
		h.Consumes(t, registered(eve, "Eve", "eve@example.test", "de"),
			events.OrderShipped{OrderID: eveOrder, UserID: eve},
			events.OrderCancelled{OrderID: otherShipped.OrderID, UserID: eve, Total: total, Reason: "deadline"})

		writeSamples(t, folder, server.Mails(), records(t, h))
	}, servicetest.Setting("NOTIFICATIONS_DKIM", "true"), servicetest.Setting("NOTIFICATIONS_PUBLIC_URL", "https://api.shop.test"),
		servicetest.Setting("NOTIFICATIONS_MAIL_FROM", oddSender+" <hello@shop.test>"))
}

package smtp_test

import (
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/smtp"
)

func sampleMail() smtp.Message {
	return smtp.Message{
		ID:      "019b0000-0000-7000-8000-000000000001",
		From:    netmail.Address{Name: "Troupe", Address: "shop@troupe.test"},
		To:      netmail.Address{Name: "Zoë, the \"Great\"", Address: "zoe@example.test"},
		Date:    time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
		Subject: "Zahlung von 5.00 EUR für Bestellung DEADBEEF erhalten",
		Text:    "Grüße,\n.\nZoë\n" + strings.Repeat("long ", 300),
		HTML:    "<p>Grüße</p>",
	}
}

func TestAnEncodedMailIsParsedBack(t *testing.T) {
	t.Parallel()
	m := sampleMail()
	encoded, err := m.Encode()
	require.NoError(t, err)
	again, err := m.Encode()
	require.NoError(t, err)
	require.Equal(t, string(encoded), string(again))

	read, err := netmail.ReadMessage(strings.NewReader(string(encoded)))
	require.NoError(t, err)
	to, err := read.Header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, []*netmail.Address{&m.To}, to)
	date, err := read.Header.Date()
	require.NoError(t, err)
	require.True(t, m.Date.Equal(date))
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, m.Subject, subject)
	require.Equal(t, "<019b0000-0000-7000-8000-000000000001@troupe.test>", read.Header.Get("Message-ID"))
	require.Equal(t, "auto-generated", read.Header.Get("Auto-Submitted"))

	mediaType, params, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", mediaType)
	parts := multipart.NewReader(read.Body, params["boundary"])
	for _, want := range []struct{ contentType, body string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		part, err := parts.NextRawPart()
		require.NoError(t, err)
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		require.NoError(t, err)
		contentType, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, want.contentType, contentType)
		require.Equal(t, want.body, strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
}

func TestHeadersRejectControlCharacters(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{"a\r\nBcc: x@evil.test", "a\nBcc: x", "a\rBcc: x", "a\x00b", "a\u0085b", "a\vb"} {
		for _, taint := range []func(*smtp.Message){
			func(m *smtp.Message) { m.Subject = evil },
			func(m *smtp.Message) { m.To.Name = evil },
			func(m *smtp.Message) { m.To.Address = evil },
			func(m *smtp.Message) { m.From.Name = evil },
			func(m *smtp.Message) { m.From.Address = evil },
			func(m *smtp.Message) { m.ID = evil },
		} {
			m := sampleMail()
			taint(&m)
			_, err := m.Encode()
			require.ErrorContains(t, err, "control character")
		}
		_, err := smtp.Address(evil, "ada@example.test")
		require.Error(t, err)
		_, err = smtp.Address("", evil+"@example.test")
		require.Error(t, err)
	}
}

func TestOnlyABareAddressIsAccepted(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"", "ada", "ada@", "@example.test", "Ada <ada@example.test>", "ada@example.test, eve@example.test", "<ada@example.test>", " ada@example.test"} {
		_, err := smtp.Address("Ada", wrong)
		require.Error(t, err, "%q", wrong)
	}
	a, err := smtp.Address("Ada", "ada+shop@example.test")
	require.NoError(t, err)
	require.Equal(t, netmail.Address{Name: "Ada", Address: "ada+shop@example.test"}, a)
}

func TestASubjectWithAnEncodedWordIsShownAsItIs(t *testing.T) {
	t.Parallel()
	m := sampleMail()
	m.Subject = "=?utf-8?B?4oCuZ25p?= and a text that is long enough for several words, with Grüße"
	encoded, err := m.Encode()
	require.NoError(t, err)
	read, err := netmail.ReadMessage(strings.NewReader(string(encoded)))
	require.NoError(t, err)
	require.NotContains(t, read.Header.Get("Subject"), "4oCuZ25p")
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, m.Subject, subject)
}

func TestANameThatIsAnEncodedWordIsRefused(t *testing.T) {
	t.Parallel()
	_, err := smtp.Address("=?utf-8?B?4oCuZ25p?=", "ada@example.test")
	require.ErrorContains(t, err, "encoded word")
}

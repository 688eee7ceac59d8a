package dkim_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/dkim"
)

const mail = "From: \"Tea & Mugs\" <hello@shop.test>\r\nTo: <ada@example.test>\r\nSubject: Welcome\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n" +
	"Message-ID: <1@shop.test>\r\nList-Unsubscribe: <https://shop.test/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHello,\r\n\r\nwelcome.\r\n"

func signer(t *testing.T) *dkim.Signer {
	t.Helper()
	keys, err := dkim.NewKeys()
	require.NoError(t, err)
	s, err := dkim.NewSigner("shop.test", "mail", keys)
	require.NoError(t, err)
	return s
}

// verify returns the errors of the signatures of a mail, according to the records.
func verify(t *testing.T, s *dkim.Signer, signed []byte) (problems []error) {
	t.Helper()
	records, err := s.Records()
	require.NoError(t, err)
	verifications, err := msgauth.VerifyWithOptions(bytes.NewReader(signed), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		for _, r := range records {
			if r.Name == name {
				return []string{r.Value}, nil
			}
		}
		return nil, nil
	}})
	require.NoError(t, err)
	require.Len(t, verifications, 2)
	for _, v := range verifications {
		require.Equal(t, "shop.test", v.Domain)
		problems = append(problems, v.Err)
	}
	return problems
}

func TestEachMailHasAValidSignatureOfEachKey(t *testing.T) {
	t.Parallel()
	s := signer(t)
	signed, err := s.Sign([]byte(mail))
	require.NoError(t, err)
	require.Equal(t, []error{nil, nil}, verify(t, s, signed))
	for _, want := range []string{"a=rsa-sha256", "s=mail;", "a=ed25519-sha256", "s=mail-ed25519;", "List-Unsubscribe-Post"} {
		require.Contains(t, string(signed), want)
	}
}

func TestAMailThatWasChangedHasNoValidSignature(t *testing.T) {
	t.Parallel()
	s := signer(t)
	signed, err := s.Sign([]byte(mail))
	require.NoError(t, err)
	for name, changed := range map[string]string{
		"another text":       strings.Replace(string(signed), "welcome.", "pay now.", 1),
		"another subject":    strings.Replace(string(signed), "Subject: Welcome", "Subject: Invoice", 1),
		"a second From":      strings.Replace(string(signed), "To: <ada", "From: <eve@evil.test>\r\nTo: <ada", 1),
		"another link":       strings.Replace(string(signed), "https://shop.test/u", "https://evil.test/u", 1),
		"no one-click":       strings.Replace(string(signed), "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", "", 1),
		"an added recipient": strings.Replace(string(signed), "ada@example.test", "eve@example.test", 1),
	} {
		for _, problem := range verify(t, s, []byte(changed)) {
			require.Error(t, problem, name)
		}
	}
}

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	keys, err := dkim.NewKeys()
	require.NoError(t, err)
	text, err := dkim.FormatKeys(keys)
	require.NoError(t, err)
	read, err := dkim.ParseKeys([]byte(text))
	require.NoError(t, err)
	require.Equal(t, keys, read)

	old, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	read, err = dkim.ParseKeys(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(old)}))
	require.NoError(t, err)
	require.Len(t, read, 1)
}

func TestKeysThatVerifiersRefuseAreRefused(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	keys, err := dkim.NewKeys()
	require.NoError(t, err)
	once, err := keys[1].PEM()
	require.NoError(t, err)
	for want, text := range map[string]string{
		"no private key":         "nothing",
		"RSA and Ed25519":        string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"two ed25519 keys":       once + once,
		"parse the RSA key":      string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x")})),
		`the block "CERTIFICATE`: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})),
	} {
		_, err := dkim.ParseKeys([]byte(text))
		require.ErrorContains(t, err, want)
	}
	for _, selector := range []string{"", "a b", "-a", "a.b;", strings.Repeat("a", 60)} {
		_, err := dkim.NewSigner("shop.test", selector, keys)
		require.ErrorContains(t, err, "selector")
	}
}

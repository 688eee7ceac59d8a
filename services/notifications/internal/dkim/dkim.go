// Package dkim signs mails (RFC 6376), so that recipients' servers can verify that they
// come from the sender's domain and were not changed. Each mail gets a signature for each
// key: rsa-sha256, which every verifier knows, and ed25519-sha256 (RFC 8463), which is
// short and strong.
package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

const (
	rsaBits    = 2048 // the largest that fits the records of every DNS provider
	leastBits  = 1024 // below that verifiers refuse a key (RFC 8301)
	rsaName    = "rsa"
	ed25519Tag = "ed25519"
)

// signedHeaders are the headers that a signature covers. From and Subject are listed once
// more than they occur, so that a signature fails if another one is added.
var signedHeaders = []string{
	"From", "From", "To", "Subject", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
	"List-Unsubscribe", "List-Unsubscribe-Post",
}

// Key is a private key.
type Key struct {
	Algorithm string // rsa or ed25519
	signer    crypto.Signer
}

// NewKeys returns a new key of each algorithm.
func NewKeys() ([]Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("make an RSA key: %w", err)
	}
	_, short, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an Ed25519 key: %w", err)
	}
	return []Key{{rsaName, private}, {ed25519Tag, short}}, nil
}

// PEM returns the key in PKCS #8.
func (k Key) PEM() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return "", fmt.Errorf("encode a %s key: %w", k.Algorithm, err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// FormatKeys returns the keys as ParseKeys reads them.
func FormatKeys(keys []Key) (string, error) {
	var text strings.Builder
	for _, k := range keys {
		block, err := k.PEM()
		if err != nil {
			return "", err
		}
		text.WriteString(block)
	}
	return text.String(), nil
}

// ParseKeys returns the keys in PEM blocks, at most one of each algorithm: PKCS #8, or
// PKCS #1 as older tools write it.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	seen := map[string]bool{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		key, err := parseKey(block)
		if err != nil {
			return nil, err
		}
		if seen[key.Algorithm] {
			return nil, fmt.Errorf("there are two %s keys", key.Algorithm)
		}
		seen[key.Algorithm] = true
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no private key in PEM")
	}
	return keys, nil
}

func parseKey(block *pem.Block) (Key, error) {
	if block.Type == "RSA PRIVATE KEY" {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return Key{}, fmt.Errorf("parse the RSA key: %w", err)
		}
		return rsaKey(key)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("parse the block %q: %w", block.Type, err)
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		return rsaKey(key)
	case ed25519.PrivateKey:
		return Key{ed25519Tag, key}, nil
	}
	return Key{}, fmt.Errorf("DKIM has RSA and Ed25519 keys, not %T", parsed)
}

func rsaKey(key *rsa.PrivateKey) (Key, error) {
	if key.N.BitLen() < leastBits {
		return Key{}, fmt.Errorf("the RSA key has %d bits: verifiers refuse fewer than %d", key.N.BitLen(), leastBits)
	}
	return Key{rsaName, key}, nil
}

// Signer signs the mails of a domain.
type Signer struct {
	domain, selector string
	keys             []Key
}

var selectorName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,50}[A-Za-z0-9])?$`)

// NewSigner returns a signer. The selector is the name of the RSA key in DNS; that of the
// Ed25519 key ends in -ed25519, because each record holds one key.
func NewSigner(domain, selector string, keys []Key) (*Signer, error) {
	if !selectorName.MatchString(selector) {
		return nil, fmt.Errorf("the selector %q must consist of letters, digits and hyphens", selector)
	}
	return &Signer{domain: domain, selector: selector, keys: keys}, nil
}

func (s *Signer) selectorOf(k Key) string {
	if k.Algorithm == ed25519Tag {
		return s.selector + "-" + ed25519Tag
	}
	return s.selector
}

// Sign returns the mail with a DKIM-Signature header for each key.
func (s *Signer) Sign(mail []byte) ([]byte, error) {
	var headers strings.Builder
	for _, k := range s.keys {
		signer, err := dkim.NewSigner(&dkim.SignOptions{
			Domain: s.domain, Selector: s.selectorOf(k), Signer: k.signer, HeaderKeys: signedHeaders,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		})
		if err != nil {
			return nil, fmt.Errorf("sign with the %s key: %w", k.Algorithm, err)
		}
		_, err = signer.Write(mail)
		if err = errors.Join(err, signer.Close()); err != nil {
			return nil, fmt.Errorf("sign with the %s key: %w", k.Algorithm, err)
		}
		headers.WriteString(signer.Signature())
	}
	return bytes.Join([][]byte{[]byte(headers.String()), mail}, nil), nil
}

// Record is a TXT record of DNS.
type Record struct{ Name, Value string }

// Records returns the records that publish the public keys.
func (s *Signer) Records() ([]Record, error) {
	var records []Record
	for _, k := range s.keys {
		public, err := publicKey(k)
		if err != nil {
			return nil, err
		}
		records = append(records, Record{
			Name:  s.selectorOf(k) + "._domainkey." + s.domain,
			Value: "v=DKIM1; k=" + k.Algorithm + "; p=" + base64.StdEncoding.EncodeToString(public),
		})
	}
	return records, nil
}

// publicKey returns the bytes of p=: those of the key itself for Ed25519 (RFC 8463), and
// SubjectPublicKeyInfo for RSA.
func publicKey(k Key) ([]byte, error) {
	if public, ok := k.signer.Public().(ed25519.PublicKey); ok {
		return public, nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.signer.Public())
	if err != nil {
		return nil, fmt.Errorf("encode the public %s key: %w", k.Algorithm, err)
	}
	return der, nil
}

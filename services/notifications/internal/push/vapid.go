package push

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// tokenLife is how long a token is valid. Push services accept up to a day; half of it
// allows for clocks that differ.
const tokenLife = 12 * time.Hour

// Key is the key pair with which the shop identifies itself to push services (VAPID, RFC
// 8292). A subscription only accepts messages signed with the key that it was made with.
type Key struct {
	Public  string // base64url, as browsers take it as applicationServerKey
	Private string // base64url of the scalar
}

// NewKey returns a new random key.
func NewKey() (Key, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("generate a push key: %w", err)
	}
	private, err := key.Bytes()
	if err != nil {
		return Key{}, fmt.Errorf("encode a push key: %w", err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return Key{}, fmt.Errorf("encode a push key: %w", err)
	}
	return Key{base64.RawURLEncoding.EncodeToString(public), base64.RawURLEncoding.EncodeToString(private)}, nil
}

// authorization returns the Authorization header of a message to an endpoint. contact is
// where the push service finds the operator of the shop.
func (k Key) authorization(endpoint *url.URL, contact string, now time.Time) (string, error) {
	scalar, err := base64.RawURLEncoding.DecodeString(k.Private)
	if err != nil {
		return "", fmt.Errorf("decode the push key: %w", err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		return "", fmt.Errorf("parse the push key: %w", err)
	}
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}{endpoint.Scheme + "://" + endpoint.Host, now.Add(tokenLife).Unix(), contact})
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := sign(key, signed)
	if err != nil {
		return "", err
	}
	return "vapid t=" + signed + "." + signature + ", k=" + k.Public, nil
}

// sign returns the signature ES256 of a text: r and s, each of 32 bytes (RFC 7518,
// section 3.4).
func sign(key *ecdsa.PrivateKey, text string) (string, error) {
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign a push token: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return base64.RawURLEncoding.EncodeToString(signature), nil
}

// CheckContact returns an error unless push services accept the contact: Apple's refuses
// every message if it is neither a mailto: address nor an https URL.
func CheckContact(contact string) error {
	if address, ok := strings.CutPrefix(contact, "mailto:"); ok {
		local, domain, found := strings.Cut(address, "@")
		if found && local != "" && domain != "" && !strings.ContainsAny(address, " <>:,") {
			return nil
		}
	}
	if u, err := url.Parse(contact); err == nil && u.Scheme == "https" && u.Host != "" {
		return nil
	}
	return errors.New("it must be an address such as mailto:push@shop.example, or an https:// URL")
}

package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// clientID is the claim client_id, which RFC 9068 requires. There is only one client:
// the shop's own front end.
const clientID = "troupe"

// PrivateKey is a key that signs tokens.
type PrivateKey struct {
	KeyID string // the RFC 7638 thumbprint
	PEM   []byte // PKCS #8
}

// NewPrivateKey returns a new random ES256 key.
func NewPrivateKey() (PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("generate signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("encode signing key: %w", err)
	}
	id, err := thumbprint(&key.PublicKey)
	if err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{KeyID: id, PEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}, nil
}

// Signer signs access tokens with the newest of its keys.
type Signer struct {
	newest jose.Signer
	jwks   []byte // of all keys
}

// NewSigner returns a signer with the given keys, the newest first. It signs with the
// newest; the older ones are still published, for the tokens they have signed.
func NewSigner(keys ...PrivateKey) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("a signer needs at least one key")
	}
	published := jose.JSONWebKeySet{}
	var newest jose.Signer
	for i, k := range keys {
		private, err := parsePrivateKey(k)
		if err != nil {
			return nil, fmt.Errorf("signing key %q: %w", k.KeyID, err)
		}
		published.Keys = append(published.Keys, jose.JSONWebKey{Key: &private.PublicKey, KeyID: k.KeyID, Algorithm: string(jose.ES256), Use: "sig"})
		if i > 0 {
			continue
		}
		if newest, err = newJWTSigner(private, k.KeyID); err != nil {
			return nil, fmt.Errorf("signing key %q: %w", k.KeyID, err)
		}
	}
	jwks, err := json.Marshal(published)
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return &Signer{newest: newest, jwks: jwks}, nil
}

// Sign returns an access token, a signed JWT, for c that expires at c.Expires.
func (s *Signer) Sign(c Caller, tokenID string, now time.Time) (string, error) {
	expires := c.Expires.Unix()
	payload, err := json.Marshal(claims{
		Issuer: Issuer, Subject: c.UserID, Audience: audience{Audience}, ClientID: clientID,
		IssuedAt: now.Unix(), Expires: &expires, TokenID: tokenID, SessionID: c.SessionID, Role: c.Role,
	})
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed, err := s.newest.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return signed.CompactSerialize()
}

// JWKS returns the public keys as they are served at /.well-known/jwks.json.
func (s *Signer) JWKS() []byte { return s.jwks }

func newJWTSigner(key *ecdsa.PrivateKey, id string) (jose.Signer, error) {
	opts := (&jose.SignerOptions{}).WithType(jwtType)
	return jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, opts)
}

func parsePrivateKey(k PrivateKey) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(k.PEM)
	if block == nil {
		return nil, errors.New("not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not an ES256 key")
	}
	if id, err := thumbprint(&key.PublicKey); err != nil || id != k.KeyID {
		return nil, fmt.Errorf("its id is not its thumbprint %q", id)
	}
	return key, nil
}

// thumbprint returns the key's id by RFC 7638.
func thumbprint(key *ecdsa.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint of key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

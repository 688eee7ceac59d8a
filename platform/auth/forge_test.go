package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB) PrivateKey {
	t.Helper()
	k, err := NewPrivateKey()
	require.NoError(t, err)
	return k
}

func newSigner(t testing.TB, keys ...PrivateKey) *Signer {
	t.Helper()
	s, err := NewSigner(keys...)
	require.NoError(t, err)
	return s
}

func sign(t testing.TB, s *Signer, c Caller, now time.Time) string {
	t.Helper()
	raw, err := s.Sign(c, "token-1", now)
	require.NoError(t, err)
	return raw
}

func ada(expires time.Time) Caller {
	return Caller{UserID: "ada", Role: User, SessionID: "session-1", Expires: expires}
}

type object = map[string]any

// forger makes tokens that are almost valid. Without any changes they are valid.
type forger struct {
	t         testing.TB
	key       *ecdsa.PrivateKey
	keyID     string
	jwks      []byte
	attackers *ecdsa.PrivateKey // the attacker's own key
	private   PrivateKey
}

func newForger(t testing.TB) *forger {
	t.Helper()
	k, own := newKey(t), newKey(t)
	key, err := parsePrivateKey(k)
	require.NoError(t, err)
	attackers, err := parsePrivateKey(own)
	require.NoError(t, err)
	return &forger{t: t, key: key, keyID: k.KeyID, jwks: newSigner(t, k).JWKS(), attackers: attackers, private: k}
}

func (f *forger) header(changes object) object {
	return with(object{"alg": "ES256", "typ": "at+jwt", "kid": f.keyID}, changes)
}

func (f *forger) claims(changes object) object {
	return with(object{
		"iss": Issuer, "aud": Audience, "sub": "ada", "sid": "session-1", "role": "user", "client_id": clientID,
		"jti": "token-1", "iat": start.Unix(), "exp": start.Add(10 * time.Minute).Unix(),
	}, changes)
}

// with replaces members; nil removes one.
func with(o, changes object) object {
	o = maps.Clone(o)
	for name, value := range changes {
		if o[name] = value; value == nil {
			delete(o, name)
		}
	}
	return o
}

func (f *forger) json(v any) string {
	b, err := json.Marshal(v)
	require.NoError(f.t, err)
	return string(b)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// es256 signs header and claims exactly as they are written.
func (f *forger) es256(key *ecdsa.PrivateKey, header, claims string) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	require.NoError(f.t, err)
	var raw [64]byte
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return input + "." + b64(raw[:])
}

// signed returns a token correctly signed by the right key, with changed contents.
func (f *forger) signed(header, claims object) string {
	return f.es256(f.key, f.json(f.header(header)), f.json(f.claims(claims)))
}

func (f *forger) hs256(alg string, secret []byte) string {
	input := b64([]byte(f.json(f.header(object{"alg": alg})))) + "." + b64([]byte(f.json(f.claims(nil))))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

func (f *forger) publicKeyForms() map[string][]byte {
	der, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	require.NoError(f.t, err)
	point, err := f.key.PublicKey.Bytes()
	require.NoError(f.t, err)
	jwk := jose.JSONWebKey{Key: &f.key.PublicKey, KeyID: f.keyID}
	asJSON, err := jwk.MarshalJSON()
	require.NoError(f.t, err)
	print, err := jwk.Thumbprint(crypto.SHA256)
	require.NoError(f.t, err)
	return map[string][]byte{"DER": der, "point": point, "JWK": asJSON, "JWKS": f.jwks, "thumbprint": print, "nothing": {}}
}

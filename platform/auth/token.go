package auth

import (
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // unlike the standard one: refuses duplicate members, minds case
)

const (
	tokenType    = "at+jwt"     // so that no other kind of JWT passes for an access token
	maxTokenSize = 8 << 10      // bytes; checked before anything is parsed
	maxExpires   = 253402300799 // the end of the year 9999: beyond it no time.Time can be trusted
)

// Reasons for the log. What the caller learns is in verify.go.
var (
	errTooLong = errors.New("longer than 8 KiB")
	errExpired = errors.New("expired")
)

// token is a token taken apart, with nothing believed yet.
type token struct {
	raw     string
	keyID   string
	payload []byte
}

type header struct {
	Algorithm string          `json:"alg"`
	Type      string          `json:"typ"`
	KeyID     string          `json:"kid"`
	Critical  json.RawMessage `json:"crit"`
	Base64    json.RawMessage `json:"b64"`
}

type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	ClientID  string   `json:"client_id"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf,omitempty"`
	Expires   *int64   `json:"exp"` // whole seconds; a fraction does not decode
	TokenID   string   `json:"jti"`
	SessionID string   `json:"sid"`
	Role      Role     `json:"role"`
}

// audience is one name or a list of them.
type audience []string

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = audience{one}
		return nil
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return errors.New("aud is neither a string nor a list of strings")
	}
	*a = list
	return nil
}

// parse takes a compact token apart and refuses whatever we would never have
// made. Where the header says where a key is to be had (jku, jwk, x5u, x5c) is
// not even read.
func parse(raw string) (token, error) {
	if len(raw) > maxTokenSize {
		return token{}, errTooLong
	}
	parts := strings.SplitN(raw, ".", 4)
	if len(parts) != 3 {
		return token{}, errors.New("does not have three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := decode(part)
		if err != nil {
			return token{}, fmt.Errorf("part %d: %w", i+1, err)
		}
		decoded[i] = b
	}
	var h header
	if err := json.Unmarshal(decoded[0], &h); err != nil {
		return token{}, fmt.Errorf("header: %w", err)
	}
	if err := h.check(); err != nil {
		return token{}, err
	}
	return token{raw: raw, keyID: h.KeyID, payload: decoded[1]}, nil
}

// decode takes canonical base64url only, so that a token has one spelling.
func decode(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return base64.RawURLEncoding.Strict().DecodeString(part)
}

func (h header) check() error {
	switch {
	case h.Algorithm != string(jose.ES256):
		return fmt.Errorf("alg is %q, want %q", h.Algorithm, jose.ES256)
	case h.Type != tokenType:
		return fmt.Errorf("typ is %q, want %q", h.Type, tokenType)
	case h.KeyID == "":
		return errors.New("no kid")
	case h.Critical != nil || h.Base64 != nil:
		return errors.New("asks for extensions (crit, b64) that we do not know")
	}
	return nil
}

// verify checks the signature, then the claims.
func (t token) verify(key *ecdsa.PublicKey, now time.Time) (Caller, error) {
	signed, err := jose.ParseSignedCompact(t.raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return Caller{}, err
	}
	if _, err := signed.Verify(key); err != nil {
		return Caller{}, fmt.Errorf("signature by key %q: %w", t.keyID, err)
	}
	var c claims
	if err := json.Unmarshal(t.payload, &c); err != nil {
		return Caller{}, fmt.Errorf("claims: %w", err)
	}
	if err := c.check(now); err != nil {
		return Caller{}, err
	}
	return Caller{UserID: c.Subject, Role: c.Role, SessionID: c.SessionID, Expires: time.Unix(*c.Expires, 0).UTC()}, nil
}

func (c claims) check(now time.Time) error {
	switch {
	case c.Issuer != Issuer:
		return fmt.Errorf("iss is %q, want %q", c.Issuer, Issuer)
	case !slices.Contains(c.Audience, Audience):
		return fmt.Errorf("aud is %q, want %q", []string(c.Audience), Audience)
	case c.Expires == nil || *c.Expires > maxExpires:
		return errors.New("no exp, or one out of range")
	case expired(time.Unix(*c.Expires, 0), now):
		return errExpired
	case c.NotBefore > now.Add(Skew).Unix():
		return errors.New("nbf is in the future")
	case c.Subject == "" || c.SessionID == "":
		return errors.New("no sub or no sid")
	case c.Role != User && c.Role != Admin:
		return fmt.Errorf("role %q is unknown", c.Role)
	}
	return nil
}

func expired(expires, now time.Time) bool { return !now.Before(expires.Add(Skew)) }

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
	"github.com/go-jose/go-jose/v4/json" // unlike encoding/json it refuses duplicate members and is case-sensitive
)

const (
	jwtType      = "at+jwt"     // so that no other kind of JWT is accepted as an access token
	maxTokenSize = 8 << 10      // bytes; checked before anything is parsed
	maxExpires   = 253402300799 // the end of the year 9999; time.Time is not reliable beyond it
)

// Causes for the log. What the caller sees is in verify.go.
var (
	errTooLong = errors.New("longer than 8 KiB")
	errExpired = errors.New("expired")
)

// jwt is a parsed JWT of which only the header has been checked: the signature and the
// claims have not been verified yet.
type jwt struct {
	raw     string
	keyID   string
	payload []byte
}

// jwtHeader holds the members of the header that are checked.
type jwtHeader struct {
	Algorithm string          `json:"alg"`
	Type      string          `json:"typ"`
	KeyID     string          `json:"kid"`
	Critical  json.RawMessage `json:"crit"`
	Base64    json.RawMessage `json:"b64"`
}

// claims are the claims of an access token (RFC 9068).
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

// audience is the claim aud: a string or a list of strings.
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

// parseJWT parses a JWT in compact form. It fails for every token that a Signer would
// never have made. The members of the header that name or contain a key (jku, jwk,
// x5u, x5c) are not even read.
func parseJWT(raw string) (jwt, error) {
	if len(raw) > maxTokenSize {
		return jwt{}, errTooLong
	}
	parts := strings.SplitN(raw, ".", 4)
	if len(parts) != 3 {
		return jwt{}, errors.New("does not have three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := decodePart(part)
		if err != nil {
			return jwt{}, fmt.Errorf("part %d: %w", i+1, err)
		}
		decoded[i] = b
	}
	var h jwtHeader
	if err := json.Unmarshal(decoded[0], &h); err != nil {
		return jwt{}, fmt.Errorf("header: %w", err)
	}
	if err := h.check(); err != nil {
		return jwt{}, err
	}
	return jwt{raw: raw, keyID: h.KeyID, payload: decoded[1]}, nil
}

// decodePart decodes one part of a JWT. It accepts only canonical base64url, so that
// every token has exactly one spelling.
func decodePart(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return base64.RawURLEncoding.Strict().DecodeString(part)
}

func (h jwtHeader) check() error {
	switch {
	case h.Algorithm != string(jose.ES256):
		return fmt.Errorf("alg is %q, want %q", h.Algorithm, jose.ES256)
	case h.Type != jwtType:
		return fmt.Errorf("typ is %q, want %q", h.Type, jwtType)
	case h.KeyID == "":
		return errors.New("no kid")
	case h.Critical != nil || h.Base64 != nil:
		return errors.New("has extensions (crit, b64) that are not supported")
	}
	return nil
}

// verify checks the signature, then the claims, and returns the caller.
func (t jwt) verify(key *ecdsa.PublicKey, now time.Time) (Caller, error) {
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

// expired reports whether a token of that expiry is no longer accepted.
func expired(expires, now time.Time) bool { return !now.Before(expires.Add(Skew)) }

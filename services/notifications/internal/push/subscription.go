package push

import (
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"strings"
)

// Subscription is where a browser receives messages.
type Subscription struct {
	Endpoint string // the URL at the browser's push service
	Keys     Keys
}

// ErrPublicKey and ErrAuthSecret are the errors of keys that no browser has.
var (
	ErrPublicKey  = errors.New("the key p256dh is not a point of the curve P-256")
	ErrAuthSecret = errors.New("the auth secret does not have 16 bytes")
)

// ParseKeys returns the keys of a subscription, which are base64url as a browser's
// PushSubscription has them.
func ParseKeys(p256dh, auth string) (Keys, error) {
	point, err := decodeKey(p256dh)
	if err != nil {
		return Keys{}, ErrPublicKey
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil || len(point) != pointSize {
		return Keys{}, ErrPublicKey
	}
	secret, err := decodeKey(auth)
	if err != nil || len(secret) != authSize {
		return Keys{}, ErrAuthSecret
	}
	return Keys{P256DH: public, Auth: secret}, nil
}

// Encoded returns the keys as ParseKeys reads them.
func (k Keys) Encoded() (p256dh, auth string) {
	return base64.RawURLEncoding.EncodeToString(k.P256DH.Bytes()), base64.RawURLEncoding.EncodeToString(k.Auth)
}

// decodeKey decodes base64 in either alphabet, with or without padding, because clients
// that are not browsers send all of these.
func decodeKey(text string) ([]byte, error) {
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

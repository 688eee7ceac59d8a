package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeySetSize = 64 << 10 // bytes
	maxKeys       = 32
)

// keySet is a set of public keys by their ids. It is immutable: a fetched set with
// other keys is a new keySet.
type keySet struct {
	body string // the JWKS that it was parsed from
	keys map[string]*ecdsa.PublicKey
}

// parseKeySet parses a JWKS. Keys that are not ES256 signature keys are skipped, as
// RFC 7517 requires. A set without any usable key is an error, so that it never
// replaces a good one.
func parseKeySet(body []byte) (*keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(body) > maxKeySetSize {
		return nil, fmt.Errorf("key set is larger than %d bytes", maxKeySetSize)
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("key set is not JSON: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("key set has %d keys, more than the %d that are allowed", len(set.Keys), maxKeys)
	}
	keys := make(map[string]*ecdsa.PublicKey, len(set.Keys))
	for _, raw := range set.Keys {
		id, key, ok := parsePublicKey(raw)
		if !ok {
			continue
		}
		if keys[id] != nil {
			return nil, fmt.Errorf("key set has two keys with the id %q", id)
		}
		keys[id] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("key set has no ES256 key")
	}
	return &keySet{body: string(body), keys: keys}, nil
}

// parsePublicKey returns the id and the key of a JWK; ok is false if it is not an ES256
// signature key with an id.
func parsePublicKey(raw []byte) (id string, key *ecdsa.PublicKey, ok bool) {
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(raw); err != nil {
		return "", nil, false
	}
	key, ok = k.Key.(*ecdsa.PublicKey) // not symmetric, not private
	if !ok || key.Curve != elliptic.P256() || k.KeyID == "" {
		return "", nil, false
	}
	if (k.Use != "" && k.Use != "sig") || (k.Algorithm != "" && k.Algorithm != string(jose.ES256)) {
		return "", nil, false
	}
	return k.KeyID, key, true
}

package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

const (
	// tokenPrefix lets scanners recognize a leaked token.
	tokenPrefix = "troupe_rt1_"
	idBytes     = 16
	bodyBytes   = idBytes + 8
	tokenBytes  = bodyBytes + sha256.Size
)

var encoding = base64.RawURLEncoding.Strict()

// Tokens writes and reads refresh tokens: the session id, the counter and an HMAC of
// both. They are not stored, because any of them can be verified with the key.
type Tokens struct{ key []byte }

// NewTokens returns the Tokens with this key, which all replicas share.
func NewTokens(key []byte) Tokens { return Tokens{key: key} }

// Write returns the session's refresh token with this counter. It is always the same.
func (t Tokens) Write(sessionID string, counter int64) (string, error) {
	id, err := uuid.Parse(sessionID)
	if err != nil {
		return "", fmt.Errorf("write refresh token: %w", err)
	}
	body := binary.BigEndian.AppendUint64(id[:], uint64(counter))
	return tokenPrefix + encoding.EncodeToString(append(body, t.sum(body)...)), nil
}

// Read returns the session id and the counter of a token. It returns ErrInvalid if the
// token was not written with the same key.
func (t Tokens) Read(token string) (sessionID string, counter int64, err error) {
	text, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok || len(text) != encoding.EncodedLen(tokenBytes) {
		return "", 0, ErrInvalid
	}
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != tokenBytes {
		return "", 0, ErrInvalid.WithCause(err)
	}
	body, sum := raw[:bodyBytes], raw[bodyBytes:]
	if !hmac.Equal(sum, t.sum(body)) {
		return "", 0, ErrInvalid
	}
	id := uuid.UUID(body[:idBytes])
	return id.String(), int64(binary.BigEndian.Uint64(body[idBytes:])), nil
}

func (t Tokens) sum(body []byte) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(tokenPrefix))
	mac.Write(body)
	return mac.Sum(nil)
}

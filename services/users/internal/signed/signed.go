// Package signed writes and reads tokens that need not be stored: an id, a number, and an
// HMAC of both, by which a token is verified with the key alone.
package signed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

const (
	idBytes    = 16
	bodyBytes  = idBytes + 8
	tokenBytes = bodyBytes + sha256.Size
)

var encoding = base64.RawURLEncoding.Strict()

// ErrForged is the error of a token that was not written with the key.
var ErrForged = errors.New("the token was not written with this key")

// Tokens writes and reads the tokens of one kind.
type Tokens struct {
	prefix string
	key    []byte
}

// New returns the Tokens with this key, which all replicas share. The prefix begins every
// token and lets scanners recognize a leaked one.
func New(prefix string, key []byte) Tokens { return Tokens{prefix, key} }

// Write returns the token with this id, a UUID, and this number. It can be read only
// together with the text that it is bound to, which may be empty and is not part of it.
func (t Tokens) Write(id string, number int64, boundTo string) (string, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	body := binary.BigEndian.AppendUint64(parsed[:], uint64(number))
	return t.prefix + encoding.EncodeToString(append(body, t.sum(body, boundTo)...)), nil
}

// Read returns the id and the number of a token. It returns ErrForged if the token was
// not written with the same key, prefix and boundTo, and another error if it is no token.
func (t Tokens) Read(token, boundTo string) (id string, number int64, err error) {
	text, ok := strings.CutPrefix(token, t.prefix)
	if !ok || len(text) != encoding.EncodedLen(tokenBytes) {
		return "", 0, ErrForged
	}
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != tokenBytes {
		return "", 0, fmt.Errorf("decode token: %w", err)
	}
	body, sum := raw[:bodyBytes], raw[bodyBytes:]
	if !hmac.Equal(sum, t.sum(body, boundTo)) {
		return "", 0, ErrForged
	}
	return uuid.UUID(body[:idBytes]).String(), int64(binary.BigEndian.Uint64(body[idBytes:])), nil
}

func (t Tokens) sum(body []byte, boundTo string) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(t.prefix))
	mac.Write(body)
	mac.Write([]byte(boundTo))
	return mac.Sum(nil)
}

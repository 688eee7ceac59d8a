package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	recordSize = 4096 // of the one record that a message is
	saltSize   = 16
	authSize   = 16
	pointSize  = 65 // of an uncompressed point of P-256
	// overhead is what encryption adds to a payload: the header with the public key, the
	// delimiter and the tag.
	overhead = saltSize + 4 + 1 + pointSize + 1 + 16
	// MaxPayload is the largest payload, in bytes. Every push service takes a body of 4096
	// (RFC 8030, section 7.2).
	MaxPayload = 4096 - overhead
)

var errPayloadTooLarge = errors.New("the payload is larger than a push message can be")

// Keys are the keys of a subscription, with which its messages are encrypted. Only the
// browser can decrypt them.
type Keys struct {
	P256DH *ecdh.PublicKey
	Auth   []byte
}

// Encrypt returns the body of a message in the content coding aes128gcm (RFC 8188), with
// keys derived as in RFC 8291.
func Encrypt(payload []byte, to Keys) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the key of a message: %w", err)
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	return encrypt(payload, to, own, salt)
}

// encrypt is Encrypt with a given key pair and salt, neither of which may be used twice.
func encrypt(payload []byte, to Keys, own *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return nil, errPayloadTooLarge
	}
	secret, err := own.ECDH(to.P256DH)
	if err != nil {
		return nil, fmt.Errorf("agree on the key of a message: %w", err)
	}
	info := "WebPush: info\x00" + string(to.P256DH.Bytes()) + string(own.PublicKey().Bytes())
	material, err := hkdf.Key(sha256.New, secret, to.Auth, info, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a message: %w", err)
	}
	return seal(payload, material, salt, own.PublicKey().Bytes())
}

// seal returns a body of one record in the content coding aes128gcm.
func seal(plaintext, material, salt, keyID []byte) ([]byte, error) {
	aead, nonce, err := recordCipher(material, salt)
	if err != nil {
		return nil, err
	}
	body := append([]byte{}, salt...)
	body = binary.BigEndian.AppendUint32(body, recordSize)
	body = append(body, byte(len(keyID)))
	body = append(body, keyID...)
	const lastRecord = 2 // the delimiter after the plaintext of the last record
	return aead.Seal(body, nonce, append(append([]byte{}, plaintext...), lastRecord), nil), nil
}

// recordCipher returns the cipher of a body and the nonce of its first record.
func recordCipher(material, salt []byte) (cipher.AEAD, []byte, error) {
	key, err := hkdf.Key(sha256.New, material, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, fmt.Errorf("derive the key of a record: %w", err)
	}
	nonce, err := hkdf.Key(sha256.New, material, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, nil, fmt.Errorf("derive the nonce of a record: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare the cipher of a record: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return aead, nonce, err
}

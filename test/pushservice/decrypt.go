package pushservice

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// decrypt returns the plaintext of a message (RFC 8291), which may have several records. It
// derives the keys by HMAC alone, so that it shares no code with the sender.
func decrypt(body []byte, private *ecdh.PrivateKey, auth []byte) ([]byte, error) {
	r := bytes.NewReader(body)
	var header struct {
		Salt [16]byte
		Size uint32
		ID   uint8
	}
	if err := binary.Read(r, binary.BigEndian, &header); err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	point := make([]byte, header.ID)
	if _, err := io.ReadFull(r, point); err != nil {
		return nil, fmt.Errorf("read the sender's key: %w", err)
	}
	sender, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	shared, err := private.ECDH(sender)
	if err != nil {
		return nil, err
	}
	info := append([]byte("WebPush: info\x00"), private.PublicKey().Bytes()...)
	material := derive(auth, shared, append(info, point...))
	key := derive(header.Salt[:], material, []byte("Content-Encoding: aes128gcm\x00"))[:16]
	nonce := derive(header.Salt[:], material, []byte("Content-Encoding: nonce\x00"))[:12]
	return records(r, int(header.Size), key, nonce)
}

// records decrypts one record after the other.
func records(r *bytes.Reader, size int, key, nonce []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var all []byte
	for n := uint64(0); r.Len() > 0; n++ {
		sealed := make([]byte, min(size, r.Len()))
		_, _ = r.Read(sealed) // it has as many bytes
		counted := append([]byte{}, nonce...)
		binary.BigEndian.PutUint64(counted[4:], binary.BigEndian.Uint64(nonce[4:])^n)
		plain, err := aead.Open(nil, counted, sealed, nil)
		if err != nil {
			return nil, err
		}
		plain = bytes.TrimRight(plain, "\x00")
		last := r.Len() == 0
		if len(plain) == 0 || (plain[len(plain)-1] == 2) != last {
			return nil, errors.New("a record has a wrong delimiter")
		}
		all = append(all, plain[:len(plain)-1]...)
	}
	return all, nil
}

// derive is HKDF with SHA-256 for up to 32 bytes.
func derive(salt, material, info []byte) []byte {
	return mac(mac(salt, material), append(append([]byte{}, info...), 1))
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(text) // never fails
	return h.Sum(nil)
}

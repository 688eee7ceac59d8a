package notifications

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"troupe/services/notifications/internal/bounce"
	"troupe/services/notifications/internal/dkim"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
)

const (
	dkimSecret        = "dkim"
	unsubscribeSecret = "unsubscribe"
	keysTimeout       = 30 * time.Second
)

// bearerToken matches what a request can carry as a bearer token (RFC 6750).
var bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]{16,}=*$`)

// readKeys reads the settings that need keys, and the keys that all replicas share. The
// first replica makes them.
func (s *service) readKeys() error {
	if err := s.checkReturned(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
	defer cancel()
	if err := s.readLinks(ctx); err != nil {
		return err
	}
	if s.servers == nil || !s.DKIM {
		return nil
	}
	keys, err := s.dkimKeys(ctx)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(s.from.Address, "@")
	if s.dkim, err = dkim.NewSigner(domain, s.DKIMSelector, keys); err != nil {
		return fmt.Errorf("NOTIFICATIONS_DKIM_SELECTOR: %w", err)
	}
	return nil
}

func (s *service) dkimKeys(ctx context.Context) ([]dkim.Key, error) {
	if s.DKIMKeyFile != "" {
		text, err := readPrivate(s.DKIMKeyFile)
		if err != nil {
			return nil, fmt.Errorf("NOTIFICATIONS_DKIM_KEY_FILE cannot be used: %w", err)
		}
		keys, err := dkim.ParseKeys(text)
		if err != nil {
			return nil, fmt.Errorf("NOTIFICATIONS_DKIM_KEY_FILE is %s: %w", s.DKIMKeyFile, err)
		}
		return keys, nil
	}
	text, err := store.Secret(ctx, s.DB, dkimSecret, s.Now(), func() (string, error) {
		keys, err := dkim.NewKeys()
		if err != nil {
			return "", err
		}
		return dkim.FormatKeys(keys)
	})
	if err != nil {
		return nil, err
	}
	return dkim.ParseKeys([]byte(text))
}

// readPrivate reads a file that only this user and its group can read. Windows has no such
// modes.
func readPrivate(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o027 != 0 {
		return nil, fmt.Errorf("the mode of %s is %#o, so that others can read or change the private keys: chmod 600 it", file, mode)
	}
	return io.ReadAll(f)
}

// sign returns a mail with its DKIM signatures.
func (s *service) sign(encoded []byte) ([]byte, error) {
	if s.dkim == nil {
		return encoded, nil
	}
	return s.dkim.Sign(encoded)
}

// checkReturned checks the settings about returned mails.
func (s *service) checkReturned() error {
	if s.BounceAddress != "" {
		if _, err := smtp.Address("", s.BounceAddress); err != nil {
			return fmt.Errorf("NOTIFICATIONS_BOUNCE_ADDRESS is %q: it must look like bounces@example.com", s.BounceAddress)
		}
	}
	if s.BounceSecret != "" && !bearerToken.MatchString(s.BounceSecret) {
		return errors.New("NOTIFICATIONS_BOUNCE_SECRET must have at least 16 characters: letters, digits and the signs - . _ ~ + /")
	}
	return nil
}

// returnAddress returns the address to which reports about a mail are sent; empty means
// the sender.
func (s *service) returnAddress(deliveryID string) string {
	if s.BounceAddress == "" {
		return ""
	}
	return bounce.ReturnAddress(s.BounceAddress, deliveryID)
}

// newSecret returns 32 random bytes as text.
func newSecret() (string, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return base64.StdEncoding.EncodeToString(secret), nil
}

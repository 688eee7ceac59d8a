package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"troupe/client"
)

const passwordFile = "admin-password"

// admin is the account that the users service creates at its first start.
type admin struct {
	email, password string
	createdFile     string // the file of a password that this start generated, or ""
}

// ensureAdmin returns the first admin with a password: that of the setting, that of an
// earlier start, or a new one, which is kept beside the databases.
func ensureAdmin(dir string, environ map[string]string) (*admin, error) {
	a := &admin{email: cmp.Or(environ["USERS_ADMIN_EMAIL"], environ["ADMIN_EMAIL"], defaultAdmin), password: cmp.Or(environ["USERS_ADMIN_PASSWORD"], environ["ADMIN_PASSWORD"])}
	if a.password != "" {
		return a, nil
	}
	var err error
	if a.password, err = readAdminPassword(dir); errors.Is(err, fs.ErrNotExist) {
		err = a.createPassword(dir)
	}
	environ["USERS_ADMIN_PASSWORD"] = a.password
	return a, err
}

func readAdminPassword(dir string) (string, error) {
	kept, err := os.ReadFile(filepath.Join(dir, passwordFile))
	if err != nil {
		return "", fmt.Errorf("read the admin's password: %w", err)
	}
	return strings.TrimSpace(string(kept)), nil
}

func (a *admin) createPassword(dir string) error {
	a.password, a.createdFile = rand.Text(), filepath.Join(dir, passwordFile)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder; choose another with --data: %w", err)
	}
	if err := os.WriteFile(a.createdFile, []byte(a.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the admin's password: %w", err)
	}
	return nil
}

// bannerLine returns the admin's line of the banner. It shows the password only if it
// works: it may have been changed, and if there was an admin with another password
// before, the users service created none.
func (a *admin) bannerLine(ctx context.Context, gateway string) string {
	// Even a start that is interrupted at this moment must print what is true.
	_, err := client.New(gateway).Login(context.WithoutCancel(ctx), a.email, a.password)
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != http.StatusUnauthorized {
		return a.email + "  " + a.password
	}
	if a.createdFile != "" {
		_ = os.Remove(a.createdFile) // no account has this password
	}
	return a.email + "  (with a password that was set earlier)"
}

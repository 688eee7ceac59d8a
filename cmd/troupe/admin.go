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

// admin is the one that users makes at its first start.
type admin struct {
	email, password string
	made            string // the file of a password that was made just now; "" if it was not
}

// firstAdmin makes sure that the first admin has a password: the one of the
// setting, or of an earlier start, or a new one kept beside the databases.
func firstAdmin(dir string, environ map[string]string) (*admin, error) {
	a := &admin{email: cmp.Or(environ["ADMIN_EMAIL"], defaultAdmin), password: environ["ADMIN_PASSWORD"]}
	if a.password != "" {
		return a, nil
	}
	var err error
	if a.password, err = keptPassword(dir); errors.Is(err, fs.ErrNotExist) {
		err = a.makePassword(dir)
	}
	environ["ADMIN_PASSWORD"] = a.password
	return a, err
}

func keptPassword(dir string) (string, error) {
	kept, err := os.ReadFile(filepath.Join(dir, passwordFile))
	if err != nil {
		return "", fmt.Errorf("read the admin's password: %w", err)
	}
	return strings.TrimSpace(string(kept)), nil
}

func (a *admin) makePassword(dir string) error {
	a.password, a.made = rand.Text(), filepath.Join(dir, passwordFile)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder; choose another with --data: %w", err)
	}
	if err := os.WriteFile(a.made, []byte(a.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the admin's password: %w", err)
	}
	return nil
}

// introduced is the admin's line of the banner. The password is shown only if it is
// the admin's: it may have been changed since, and if there was an admin before, who
// had another, users has made none.
func (a *admin) introduced(ctx context.Context, gateway string) string {
	// A start that is ended this very moment still says what is true.
	_, err := client.New(gateway).Login(context.WithoutCancel(ctx), a.email, a.password)
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != http.StatusUnauthorized {
		return a.email + "  " + a.password
	}
	if a.made != "" {
		_ = os.Remove(a.made) // nobody has this password
	}
	return a.email + "  (with a password that was set earlier)"
}

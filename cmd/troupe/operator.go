package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"troupe/app"
	"troupe/client"
)

const (
	defaultGateway = "http://127.0.0.1:8000"
	defaultAdmin   = "admin@troupe.local"
	deviceFile     = "operator-device"
)

// operator holds the flags of commands that call a running system as its admin.
type operator struct {
	URL           string `default:"http://127.0.0.1:8000" env:"TROUPE_URL" help:"The gateway of the running system."`
	Data          string `default:".troupe" env:"TROUPE_DATA" type:"path" help:"Data folder of 'troupe up', where the admin's password is kept."`
	AdminEmail    string `default:"admin@troupe.local" env:"USERS_ADMIN_EMAIL,ADMIN_EMAIL" help:"The admin's address."`
	AdminPassword string `env:"USERS_ADMIN_PASSWORD,ADMIN_PASSWORD" help:"The admin's password; default: the one kept in the data folder."`
	Token         string `env:"TROUPE_TOKEN" help:"An admin's access token, instead of a password."`
}

// login returns a client that calls as the admin.
func (o operator) login(ctx context.Context) (*client.Client, error) {
	if o.Token != "" {
		return client.New(o.gateway()).WithToken(strings.TrimSpace(o.Token)), nil
	}
	password, kept, err := o.password()
	if err != nil {
		return nil, err
	}
	c, err := o.signIn(ctx, password)
	switch {
	case isProblem(err, "password_change_required"):
		return nil, fmt.Errorf("this password is only good for setting another: run 'troupe password' first: %w", err)
	case err != nil && kept:
		return nil, fmt.Errorf("sign in with the admin's first password, kept in %s; if it was changed, set USERS_ADMIN_PASSWORD: %w", o.Data, err)
	}
	return c, err
}

// password returns the admin's password and reports whether it is the one that is kept in
// the data folder.
func (o operator) password() (password string, kept bool, err error) {
	if o.AdminPassword != "" {
		password, err = app.Secret("USERS_ADMIN_PASSWORD", o.AdminPassword)
		return password, false, err
	}
	password, err = readAdminPassword(filepath.Join(o.Data, passwordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", true, fmt.Errorf("no admin password: set USERS_ADMIN_PASSWORD, or --data to the folder of 'troupe up' (looked in %s)", o.Data)
	}
	return password, true, err
}

// signIn signs in on this host, a device that is known since the first time: its token is
// kept in the data folder. So others who guess at the admin's password do not delay the
// operator's commands.
func (o operator) signIn(ctx context.Context, password string) (*client.Client, error) {
	return o.signInWith(ctx, client.SignIn{Email: o.AdminEmail, Password: password})
}

func (o operator) signInWith(ctx context.Context, s client.SignIn) (*client.Client, error) {
	file := filepath.Join(o.Data, deviceFile)
	kept, _ := os.ReadFile(file) // without it the device is an unknown one
	s.DeviceToken = strings.TrimSpace(string(kept))
	c, err := client.New(o.gateway()).SignIn(ctx, s)
	if err != nil {
		return nil, err
	}
	o.keepDevice(c.DeviceToken())
	return c, nil
}

// keepDevice keeps the token by which this host is known.
func (o operator) keepDevice(token string) {
	if err := writePrivate(filepath.Join(o.Data, deviceFile), token); err != nil {
		fmt.Fprintln(os.Stderr, "the next command may have to wait while others guess at the admin's password:", err)
	}
}

// writePrivate writes a line to a file that only its owner may read.
func writePrivate(file, line string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(line+"\n"), 0o600)
}

// isProblem reports whether err is a problem document with one of these codes.
func isProblem(err error, codes ...string) bool {
	problem, ok := errors.AsType[*client.Problem](err)
	return ok && slices.Contains(codes, problem.Code)
}

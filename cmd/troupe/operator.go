package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"troupe/client"
)

const (
	defaultGateway = "http://127.0.0.1:8000"
	defaultAdmin   = "admin@troupe.local"
)

// operator holds the flags of commands that call a running system as its admin.
type operator struct {
	URL           string `default:"http://127.0.0.1:8000" env:"TROUPE_URL" help:"The gateway of the running system."`
	Data          string `default:".troupe" type:"path" help:"Data folder of 'troupe up', where the admin's password is kept."`
	AdminEmail    string `default:"admin@troupe.local" env:"USERS_ADMIN_EMAIL,ADMIN_EMAIL" help:"The admin's address."`
	AdminPassword string `env:"USERS_ADMIN_PASSWORD,ADMIN_PASSWORD" help:"The admin's password; default: the one kept in the data folder."`
}

// login returns a client that calls as the admin.
func (o operator) login(ctx context.Context) (*client.Client, error) {
	if o.AdminPassword != "" {
		return client.New(o.URL).Login(ctx, o.AdminEmail, o.AdminPassword)
	}
	kept, err := readAdminPassword(o.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no admin password: set USERS_ADMIN_PASSWORD, or --data to the folder of 'troupe up' (looked in %s)", o.Data)
	}
	if err != nil {
		return nil, err
	}
	c, err := client.New(o.URL).Login(ctx, o.AdminEmail, kept)
	if err != nil {
		return nil, fmt.Errorf("sign in with the admin's first password, kept in %s; if it was changed, set USERS_ADMIN_PASSWORD: %w", o.Data, err)
	}
	return c, nil
}

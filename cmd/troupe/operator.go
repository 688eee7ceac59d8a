package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"troupe/client"
)

const (
	defaultGateway = "http://127.0.0.1:8000"
	defaultAdmin   = "admin@troupe.local"
)

// operator are the flags of commands that call a running system as its admin.
type operator struct {
	URL           string `default:"http://127.0.0.1:8000" env:"TROUPE_URL" help:"The gateway of the running system."`
	Data          string `default:".troupe" type:"path" help:"Data folder of 'troupe up', where the admin's password is."`
	AdminEmail    string `default:"admin@troupe.local" env:"ADMIN_EMAIL" help:"The admin's address."`
	AdminPassword string `env:"ADMIN_PASSWORD" help:"The admin's password; default: the one kept in the data folder."`
}

// login gives a client that calls as the admin.
func (o operator) login(ctx context.Context) (*client.Client, error) {
	password := o.AdminPassword
	if password == "" {
		kept, err := os.ReadFile(filepath.Join(o.Data, passwordFile))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no admin password: set ADMIN_PASSWORD, or --data to the folder of 'troupe up' (looked in %s)", o.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("read the admin's password: %w", err)
		}
		password = strings.TrimSpace(string(kept))
	}
	return client.New(o.URL).Login(ctx, o.AdminEmail, password)
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"troupe/app"
)

const passwordFile = "admin-password"

// admin is the account that the users service creates at its first start.
type admin struct {
	data, email string
	password    string // of the setting; "" if it is in the file
	file        string
	production  bool
}

// ensureAdmin returns the first admin. Without a password in the settings, it has the
// users service keep one beside the databases.
func ensureAdmin(dir string, environ map[string]string) *admin {
	a := &admin{
		data:     dir,
		email:    cmp.Or(environ["USERS_ADMIN_EMAIL"], environ["ADMIN_EMAIL"], defaultAdmin),
		password: cmp.Or(environ["USERS_ADMIN_PASSWORD"], environ["ADMIN_PASSWORD"]),
		file:     cmp.Or(environ["USERS_ADMIN_PASSWORD_FILE"], filepath.Join(dir, passwordFile)),

		production: strings.TrimSpace(environ["TROUPE_ENV"]) == "production",
	}
	environ["USERS_ADMIN_PASSWORD_FILE"] = a.file
	return a
}

func readAdminPassword(file string) (string, error) {
	kept, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the admin's password: %w", err)
	}
	return app.Secret(file, string(kept))
}

// bannerLine returns the admin's line of the banner: where the password is, if it works.
// It may have been changed. The sign-in that finds out also makes this host a known
// device, so that the operator's commands never wait for the failed attempts of others, and
// its session becomes that of the link to the console. In production the link signs nobody
// in, because what a program prints there is collected and read by others.
func (a *admin) bannerLine(ctx context.Context, gateway string) (line, console string) {
	console = gateway + "/console/"
	password, place := a.password, "USERS_ADMIN_PASSWORD"
	if password == "" {
		place = a.file
		password, _ = readAdminPassword(a.file) // without one the sign-in fails
	}
	// Even a start that is interrupted at this moment must print what is true.
	c, err := operator{URL: gateway, Data: a.data, AdminEmail: a.email}.signIn(context.WithoutCancel(ctx), password)
	if isProblem(err, "invalid_grant", "invalid_request") {
		return a.email + "  (with a password that was set earlier)", console
	}
	if err == nil && !a.production {
		if link, err := consoleLink(context.WithoutCancel(ctx), c); err == nil {
			console = link + "  (signs in once; for another link: troupe console)"
		}
	}
	return a.email + "  (password in " + place + ")", console
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"troupe/app"
	"troupe/client"
)

type passwordCommand struct {
	operator
	NewPassword string `env:"TROUPE_NEW_PASSWORD" help:"The new password; default: the first line of the standard input."`
}

// Run sets another password for the admin, also where that is required before the first
// sign-in. A password that is kept in the data folder is replaced there.
func (c passwordCommand) Run(ctx context.Context) error {
	current, kept, err := c.password()
	if err != nil {
		return err
	}
	replacement := c.NewPassword
	if replacement == "" {
		if replacement, err = firstLine(ctx, os.Stdin); err != nil {
			return err
		}
	}
	if replacement, err = app.Secret("the new password", replacement); err != nil {
		return err
	}
	if err := c.change(ctx, current, replacement); err != nil {
		return err
	}
	if kept {
		if err := writePrivate(filepath.Join(c.Data, passwordFile), replacement); err != nil {
			return fmt.Errorf("the password was changed, but the file still has the old one: %w", err)
		}
	}
	fmt.Println("the password was changed, and other sessions of the admin have ended")
	return nil
}

func (c passwordCommand) change(ctx context.Context, current, replacement string) error {
	admin, err := c.signIn(ctx, current)
	if isProblem(err, "password_change_required") {
		_, err = c.signInWith(ctx, client.SignIn{Email: c.AdminEmail, Password: current, NewPassword: replacement})
		return err
	}
	if err != nil {
		return err
	}
	var changed struct {
		DeviceToken string `json:"device_token"`
	}
	err = admin.Post(ctx, "/users/me/password", map[string]string{"current_password": current, "new_password": replacement}, &changed)
	if err != nil {
		return err
	}
	c.keepDevice(changed.DeviceToken)
	return nil
}

// firstLine returns the first line of in, without its end. It waits no longer than ctx.
func firstLine(ctx context.Context, in io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(in).ReadString('\n')
		read <- result{line, err}
	}()
	var line string
	var err error
	select {
	case r := <-read:
		line, err = r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if line = strings.TrimRight(line, "\r\n"); line != "" {
		return line, nil
	}
	if errors.Is(err, io.EOF) || err == nil {
		err = errors.New("the standard input is empty")
	}
	return "", fmt.Errorf("no new password: set TROUPE_NEW_PASSWORD, or write it to the standard input: %w", err)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"troupe/client"
)

type consoleCommand struct{ operator }

// Run prints a link that opens the console, signed in as the admin. It works once.
func (c consoleCommand) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	link, err := consoleLink(ctx, admin)
	if err != nil {
		return err
	}
	fmt.Println(link)
	return nil
}

// consoleLink returns a link with which a browser continues the session of the client.
func consoleLink(ctx context.Context, c *client.Client) (string, error) {
	if c.RefreshToken() == "" {
		return "", errors.New("a link needs a session of its own: give the admin's password, and no token")
	}
	var link struct {
		Token string `json:"token"`
	}
	err := c.Post(ctx, "/console/api/links", map[string]string{"refresh_token": c.RefreshToken()}, &link)
	if isProblem(err, "route_not_found") {
		return "", fmt.Errorf("there is no console, or CONSOLE_MODE is off: %w", err)
	}
	if err != nil {
		return "", err
	}
	return c.Base + "/console/?" + url.Values{"token": {link.Token}}.Encode(), nil
}

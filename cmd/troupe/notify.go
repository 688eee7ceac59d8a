package main

import (
	"context"
	"fmt"
)

type notifyCommand struct {
	DKIM         showDKIM            `cmd:"" name:"dkim" help:"Print the DNS records that publish the keys by which mails are signed."`
	Preview      previewMail         `cmd:"" help:"Print a sample of a mail."`
	SendTest     sendTestMail        `cmd:"" help:"Send a test mail and print the mail server's reply."`
	Suppressions suppressionsCommand `cmd:"" help:"List, add and remove addresses that get no mail."`
	PushKey      pushKeyCommand      `cmd:"" help:"The key with which the shop identifies itself to push services."`
}

type pushKeyCommand struct {
	Show   showPushKey   `cmd:"" default:"withargs" help:"Print the public key for new subscriptions."`
	Rotate rotatePushKey `cmd:"" help:"Use another key for new subscriptions. Those that exist keep theirs, or end."`
}

// pushKey is the response with the present push key.
type pushKey struct {
	PublicKey string `json:"public_key"`
}

type showPushKey struct{ operator }

// Run prints the public key.
func (c showPushKey) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var key pushKey
	if err := admin.Get(ctx, "/push/key", &key); err != nil {
		return err
	}
	fmt.Println(key.PublicKey)
	return nil
}

type rotatePushKey struct {
	operator
	EndSubscriptions bool `help:"Others may know the private key: delete the earlier keys and end all subscriptions. Browsers subscribe again with the new key."`
}

// Run makes another key the present one.
func (c rotatePushKey) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var key pushKey
	if err := admin.Post(ctx, fmt.Sprintf("/push/key/rotate?end_subscriptions=%t", c.EndSubscriptions), nil, &key); err != nil {
		return err
	}
	fmt.Println(key.PublicKey)
	return nil
}

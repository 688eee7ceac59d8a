package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

type showDKIM struct{ operator }

// Run prints the DNS records that publish the DKIM keys.
func (c showDKIM) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var keys struct {
		Records []struct{ Name, Type, Value string }
	}
	if err := admin.Get(ctx, "/mail/dkim", &keys); err != nil {
		return err
	}
	for _, r := range keys.Records {
		fmt.Printf("%s. IN %s %s\n", r.Name, r.Type, zoneText(r.Value))
	}
	return nil
}

// zoneText returns a text as zone files have it: in strings of at most 255 characters.
func zoneText(text string) string {
	var parts []string
	for text != "" {
		n := min(len(text), 255)
		parts = append(parts, `"`+text[:n]+`"`)
		text = text[n:]
	}
	return strings.Join(parts, " ")
}

type previewMail struct {
	operator
	Event    string `arg:"" help:"The type of the event that the mail is about, for example order.paid."`
	Language string `default:"en" help:"The customer's language, for example de."`
	Reason   string `help:"The reason in the event, for example payment_declined."`
	HTML     bool   `help:"Print the HTML part instead of the text."`
}

// Run prints a sample of a mail.
func (c previewMail) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var mail struct{ Subject, Text, HTML string }
	query := url.Values{"language": {c.Language}, "reason": {c.Reason}}
	if err := admin.Get(ctx, "/mail/preview/"+url.PathEscape(c.Event)+"?"+query.Encode(), &mail); err != nil {
		return err
	}
	if c.HTML {
		fmt.Print(mail.HTML)
		return nil
	}
	fmt.Printf("Subject: %s\n\n%s", mail.Subject, mail.Text)
	return nil
}

type sendTestMail struct {
	operator
	Address  string `arg:"" help:"Where the mail is sent."`
	Language string `default:"en" help:"Its language."`
}

// Run sends a test mail at once, and prints how that ended.
func (c sendTestMail) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var ended struct{ State, Phase, Reply, About string }
	if err := admin.Post(ctx, "/mail/test", map[string]string{"address": c.Address, "language": c.Language}, &ended); err != nil {
		return err
	}
	switch ended.State {
	case "sent":
		fmt.Println("the mail server accepted the mail; look for it in the mailbox, and in its spam folder")
	case "stored":
		fmt.Println("no mail server is set: the mail is in the built-in mailbox")
	default:
		return fmt.Errorf("the mail server did not take the mail (phase %s, about %s): %s", ended.Phase, ended.About, ended.Reply)
	}
	return nil
}

type suppressionsCommand struct {
	List   listSuppressions  `cmd:"" default:"withargs" help:"List the addresses that get no mail, newest first."`
	Add    addSuppression    `cmd:"" help:"Send no more mails to an address."`
	Remove removeSuppression `cmd:"" help:"Send mails to an address again."`
}

// suppression is an entry of GET /suppressions.
type suppression struct {
	ID        string    `json:"id"`
	Address   string    `json:"address"`
	Reason    string    `json:"reason"`
	Detail    string    `json:"detail"`
	CreatedAt time.Time `json:"created_at"`
}

type listSuppressions struct {
	operator
	listing
}

// Run lists the newest suppressions.
func (c listSuppressions) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var all []suppression
	for cursor := ""; ; {
		var page struct {
			Items      []suppression `json:"items"`
			NextCursor string        `json:"next_cursor"`
		}
		if err := admin.Get(ctx, "/suppressions?limit=100&cursor="+url.QueryEscape(cursor), &page); err != nil {
			return err
		}
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return printList(c.listing, all, "the suppression list is empty", "ADDRESS\tREASON\tSINCE\tDETAIL", suppression.row)
		}
	}
}

func (s suppression) row() string {
	return fmt.Sprintf("%s\t%s\t%s\t%s", s.Address, s.Reason, s.CreatedAt.Format(time.RFC3339), s.Detail)
}

type addSuppression struct {
	operator
	Address string `arg:"" help:"The address."`
	Detail  string `help:"Why, for other admins."`
}

// Run adds an address.
func (c addSuppression) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	if err := admin.Post(ctx, "/suppressions", map[string]string{"address": c.Address, "detail": c.Detail}, nil); err != nil {
		return err
	}
	fmt.Println("no more mails are sent to", c.Address)
	return nil
}

type removeSuppression struct {
	operator
	Address string `arg:"" help:"The address."`
}

// Run removes an address.
func (c removeSuppression) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var page struct {
		Items []suppression `json:"items"`
	}
	if err := admin.Get(ctx, "/suppressions?address="+url.QueryEscape(c.Address), &page); err != nil {
		return err
	}
	if len(page.Items) == 0 {
		return fmt.Errorf("%s is not on the suppression list", c.Address)
	}
	if err := admin.Delete(ctx, "/suppressions/"+url.PathEscape(page.Items[0].ID)); err != nil {
		return err
	}
	fmt.Println("mails are sent to", c.Address, "again")
	return nil
}

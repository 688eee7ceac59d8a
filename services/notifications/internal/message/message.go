// Package message is what customers are told and how it reads: notices in plain
// business terms, rendered into mails (HTML and text) and inbox entries in the
// recipient's language. It knows no database and no SMTP.
package message

import (
	"bytes"
	"fmt"
	"net/mail"
	"path"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"troupe/platform/money"
)

// Recipient is who is told.
type Recipient struct {
	Email  string
	Name   string
	Locale string // BCP 47, for example "de-AT"; an unknown one reads English
}

// Notice is one thing to tell a customer.
type Notice struct {
	Kind    string      // the event it tells of, for example "order.paid"
	OrderID string      // empty if it is about no order
	Amount  money.Money // zero if it is about no money
	Reason  string      // the event's reason, if it has one
}

// Line is one product of an order.
type Line struct {
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// Order is what a notice's order consists of.
type Order struct {
	Lines []Line
	Total money.Money
}

// KindOf is the kind of notice an event leads to: its type without the last
// part, which is the version.
func KindOf(eventType string) string {
	return strings.TrimSuffix(eventType, path.Ext(eventType))
}

// Message is a mail ready to leave.
type Message struct {
	ID      string // the delivery's id
	From    mail.Address
	To      mail.Address
	Date    time.Time
	Subject string
	Text    string
	HTML    string
}

// Address makes the address of a recipient. It fails for one that no mail can
// go to, and for any attempt to smuggle lines into a header.
func Address(r Recipient) (mail.Address, error) {
	if err := singleLine("name", r.Name); err != nil {
		return mail.Address{}, err
	}
	if err := singleLine("address", r.Email); err != nil {
		return mail.Address{}, err
	}
	parsed, err := mail.ParseAddress(r.Email)
	if err != nil || parsed.Address != r.Email {
		return mail.Address{}, fmt.Errorf("%q is no mail address", r.Email)
	}
	return mail.Address{Name: r.Name, Address: r.Email}, nil
}

// MessageID is the Message-ID header, brackets included. It depends on the
// delivery alone, so that a second try is recognisable as the same mail.
func (m Message) MessageID() string {
	_, domain, _ := strings.Cut(m.From.Address, "@")
	return "<" + m.ID + "@" + domain + ">"
}

// Encode gives the mail as it travels (RFC 5322): both bodies as
// multipart/alternative. It refuses control characters in headers. The same
// message encodes to the same bytes.
func (m Message) Encode() ([]byte, error) {
	for header, value := range map[string]string{
		"From": m.From.Name + m.From.Address, "To": m.To.Name + m.To.Address, "Subject": m.Subject, "Message-ID": m.MessageID(),
	} {
		if err := singleLine(header, value); err != nil {
			return nil, err
		}
	}
	msg := gomail.NewMsg(gomail.WithBoundary("troupe-"+m.ID), gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&m.From)
	msg.ToMailAddress(&m.To)
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.Date)
	msg.SetMessageIDWithValue(strings.Trim(m.MessageID(), "<>"))
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var encoded bytes.Buffer
	if _, err := msg.WriteTo(&encoded); err != nil {
		return nil, fmt.Errorf("compose mail %s: %w", m.ID, err)
	}
	return encoded.Bytes(), nil
}

func singleLine(what, value string) error {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("the %s contains a control character", what)
	}
	return nil
}

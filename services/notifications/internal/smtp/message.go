package smtp

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

// Message is a mail that is ready to be sent.
type Message struct {
	ID      string // the delivery's id
	From    mail.Address
	To      mail.Address
	Date    time.Time
	Subject string
	Text    string
	HTML    string
	Return  string // where reports about the mail are sent; empty means From
	// Unsubscribe is the link that ends mails of this kind; empty if there is none.
	Unsubscribe string
}

// returnAddress returns the address in MAIL FROM.
func (m Message) returnAddress() string { return cmp.Or(m.Return, m.From.Address) }

// Address returns the address of a person. It returns an error for an address that
// no mail can be sent to, and for control characters, with which a name could add
// lines to the header.
func Address(name, email string) (mail.Address, error) {
	if err := singleLine("name", name); err != nil {
		return mail.Address{}, err
	}
	if err := singleLine("address", email); err != nil {
		return mail.Address{}, err
	}
	if isEncodedWord(name) {
		return mail.Address{}, fmt.Errorf("the name %q looks like an encoded word (RFC 2047), which mail programs would decode", name)
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email {
		return mail.Address{}, fmt.Errorf("%q is not a mail address", email)
	}
	return mail.Address{Name: name, Address: email}, nil
}

// MessageID returns the value of the Message-ID header, brackets included. It
// depends on the delivery alone, so that a second attempt can be recognized as the
// same mail.
func (m Message) MessageID() string {
	_, domain, _ := strings.Cut(m.From.Address, "@")
	return "<" + m.ID + "@" + domain + ">"
}

// Encode returns the mail in the form in which it is sent (RFC 5322), with both
// bodies as multipart/alternative. It returns an error if a header contains a
// control character. The same message is always encoded to the same bytes.
func (m Message) Encode() ([]byte, error) {
	for header, value := range map[string]string{
		"From": m.From.Name + m.From.Address, "To": m.To.Name + m.To.Address, "Subject": m.Subject, "Message-ID": m.MessageID(), "List-Unsubscribe": m.Unsubscribe,
	} {
		if err := singleLine(header, value); err != nil {
			return nil, err
		}
	}
	msg := gomail.NewMsg(gomail.WithBoundary("troupe-"+m.ID), gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&m.From)
	msg.ToMailAddress(&m.To)
	msg.Subject(encodeAgain(m.Subject))
	msg.SetDateWithValue(m.Date)
	msg.SetMessageIDWithValue(strings.Trim(m.MessageID(), "<>"))
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Unsubscribe != "" { // RFC 8058
		msg.SetGenHeader("List-Unsubscribe", "<"+m.Unsubscribe+">")
		msg.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var encoded bytes.Buffer
	if _, err := msg.WriteTo(&encoded); err != nil {
		return nil, fmt.Errorf("compose mail %s: %w", m.ID, err)
	}
	return encoded.Bytes(), nil
}

// isEncodedWord reports whether mail programs could take part of s for an encoded word
// (RFC 2047): they would show something else than was checked.
func isEncodedWord(s string) bool { return strings.Contains(s, "=?") }

// encodeAgain returns a header's text. One that contains an encoded word is encoded as a
// whole, in words of at most 75 characters, so that it is shown as it is.
func encodeAgain(s string) string {
	if !isEncodedWord(s) {
		return s
	}
	var words []string
	for s != "" {
		n := min(len(s), 45) // 60 in base64
		for !utf8.RuneStart((s + " ")[n]) {
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

func singleLine(what, value string) error {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("the %s contains a control character", what)
	}
	return nil
}

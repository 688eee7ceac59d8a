// Package bounce reads what comes back for a mail that a server had accepted: reports that
// it could not be delivered (RFC 3464), and complaints of recipients (RFC 5965).
package bounce

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"

	"troupe/platform/ascii"
)

// Kind is what a report states.
type Kind string

// The kinds.
const (
	None      Kind = ""          // no report: an answer of a person, or of a holiday program
	Failed    Kind = "failed"    // the mail was not delivered and will not be
	Delayed   Kind = "delayed"   // the server goes on trying, or has delivered it
	Complaint Kind = "complaint" // the recipient took the mail for spam
)

const (
	maxParts  = 20
	maxFields = 100 // groups of fields in a report, one for each recipient
)

// Report is a report about one mail to one recipient.
type Report struct {
	Kind       Kind
	DeliveryID string // of the mail; empty if the report does not show it
	Recipient  string // the address as the reporting server knows it; may be empty
	Status     string // the enhanced status code, for example 5.1.1; may be empty
	Diagnostic string // the words of the server
}

// ErrNotAMessage is the error of a text that is no mail.
var ErrNotAMessage = errors.New("this is not a mail in the format of RFC 5322")

// Parse reads a report. A mail that is none has the kind None.
func Parse(raw []byte) (Report, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Report{}, ErrNotAMessage
	}
	var r Report
	for _, header := range []string{"X-Original-To", "Delivered-To", "To"} {
		if r.DeliveryID == "" {
			r.DeliveryID = idOf(tagged, m.Header.Get(header))
		}
	}
	media, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || media != "multipart/report" {
		return Report{}, nil
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for range maxParts {
		part, err := parts.NextRawPart()
		if err != nil {
			break
		}
		r.read(part)
	}
	if r.Kind == None {
		return Report{}, nil
	}
	return r, nil
}

// read reads one part of the report. Parts that it does not know change nothing.
func (r *Report) read(part *multipart.Part) {
	media, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")) // "" is no known type
	switch media {
	case "message/delivery-status", "message/global-delivery-status":
		r.readStatus(part)
	case "message/feedback-report":
		fields, _ := textproto.NewReader(bufio.NewReader(part)).ReadMIMEHeader()
		if t := ascii.Lower(fields.Get("Feedback-Type")); t != "" && t != "not-spam" {
			r.Kind, r.Diagnostic = Complaint, "feedback report: "+t
		}
		r.Recipient = address(fields.Get("Original-Rcpt-To"))
	case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
		fields, _ := textproto.NewReader(bufio.NewReader(part)).ReadMIMEHeader() // what could be read of it
		if id := idOf(messageID, fields.Get("Message-Id")); id != "" {
			r.DeliveryID = id
		}
		if r.Recipient == "" && r.Kind == Complaint {
			r.Recipient = address(fields.Get("To"))
		}
	}
}

// readStatus reads the fields about the message, and then those about each recipient.
func (r *Report) readStatus(part io.Reader) {
	reader := textproto.NewReader(bufio.NewReader(part))
	for range maxFields {
		fields, err := reader.ReadMIMEHeader()
		if action := ascii.Lower(fields.Get("Action")); action != "" && r.Kind != Failed {
			r.Kind = Delayed
			if action == "failed" {
				r.Kind = Failed
			}
			r.Status, _, _ = strings.Cut(strings.TrimSpace(fields.Get("Status")), " ")
			r.Diagnostic, _ = afterType(fields.Get("Diagnostic-Code"))
			r.Recipient = recipientOf(fields)
		}
		if err != nil {
			return
		}
	}
}

// recipientOf returns the address that the mail was sent to: the original one, because the
// final one differs if a server forwarded the mail.
func recipientOf(fields textproto.MIMEHeader) string {
	for _, name := range []string{"Original-Recipient", "Final-Recipient"} {
		if value, ok := afterType(fields.Get(name)); ok {
			return address(value)
		}
	}
	return ""
}

// afterType returns what follows the type in "rfc822; ada@example.com".
func afterType(field string) (value string, ok bool) {
	_, value, ok = strings.Cut(field, ";")
	return strings.TrimSpace(value), ok
}

// address returns the bare address in a field, in lower case.
func address(field string) string {
	if parsed, err := mail.ParseAddress(field); err == nil {
		field = parsed.Address
	}
	return ascii.Lower(strings.Trim(field, "<> "))
}

const uuid = `([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`

var (
	messageID = regexp.MustCompile(`^<` + uuid + `@`)
	tagged    = regexp.MustCompile(`\+` + uuid + `@`)
)

func idOf(pattern *regexp.Regexp, text string) string {
	if found := pattern.FindStringSubmatch(ascii.Lower(text)); found != nil {
		return found[1]
	}
	return ""
}

// ReturnAddress returns the address to which a report about a delivery is sent: the
// mailbox for reports with the delivery's id after a plus sign.
func ReturnAddress(mailbox, deliveryID string) string {
	local, domain, _ := strings.Cut(mailbox, "@")
	return local + "+" + deliveryID + "@" + domain
}

package content

import (
	"errors"
	"fmt"
	"strings"
)

// DigestKind is the kind of a notice that stands for several others. Its templates have a
// subject, a title and a body, which introduces the others.
const DigestKind = "digest"

var errEmptyDigest = errors.New("the digest has no notices: they were deleted")

// itemData is a notice within a digest.
type itemData struct {
	Title   string `json:"title"`
	Body    string `json:"body"`
	OrderID string `json:"order_id,omitempty"`
	Number  string `json:"number,omitempty"`
}

// Digest renders notices as one mail.
func (r *Renderer) Digest(to Recipient, notices []Notice) (Mail, error) {
	t, d, err := r.prepareDigest(to.Locale, notices)
	if err != nil {
		return Mail{}, err
	}
	d.Unsubscribe = to.Unsubscribe
	return mailOf(DigestKind, t, d)
}

// DigestEntry renders notices as one short text, which lists their titles.
func (r *Renderer) DigestEntry(locale string, notices []Notice) (Entry, error) {
	t, d, err := r.prepareDigest(locale, notices)
	if err != nil {
		return Entry{}, err
	}
	title, err := execute(t.text, "title", d)
	titles := make([]string, len(d.Items))
	for i, item := range d.Items {
		titles[i] = item.Title
	}
	return Entry{Title: title, Body: strings.Join(titles, "\n")}, err
}

func (r *Renderer) prepareDigest(locale string, notices []Notice) (kindTemplates, data, error) {
	t, d, err := r.prepare(locale, Notice{Kind: DigestKind})
	if err == nil && len(notices) == 0 {
		err = errEmptyDigest
	}
	if err != nil {
		return t, d, err
	}
	for _, n := range notices {
		e, err := r.Entry(locale, n)
		if err != nil {
			return t, d, err
		}
		d.Items = append(d.Items, itemData{e.Title, e.Body, n.OrderID, orderNumber(n.OrderID)})
	}
	return t, d, nil
}

// checkDigest returns an error if a digest cannot be rendered in a language.
func (r *Renderer) checkDigest(language string) error {
	m, err := r.complete(r.Digest(Recipient{Locale: language}, []Notice{{Kind: other, OrderID: "019b0000-0000-7000-8000-00001a2b3c4d"}, {Kind: other}}))
	if err := problem(err, "subject", m.Subject, "text", m.Text); err != nil {
		return fmt.Errorf("a digest cannot be rendered in language %q: correct %s: %w", language, folder+fileOf(language, DigestKind), err)
	}
	return nil
}

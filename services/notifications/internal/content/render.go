package content

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"troupe/platform/money"
)

// fallback is the language for recipients whose language has no templates.
const fallback = "en"

// Mail is a rendered mail.
type Mail struct{ Subject, Text, HTML string }

// Entry is a rendered inbox entry.
type Entry struct{ Title, Body string }

// Renderer renders notices. It parses its templates once.
type Renderer struct {
	shop      string
	languages map[string]map[string]kindTemplates // by language and kind
}

// data is what the templates are executed with.
type data struct {
	Shop, Lang, Name string
	OrderID, Number  string
	Amount, Total    string
	Reason           string
	Lines            []lineData
}

type lineData struct {
	Name     string
	Quantity int64
	Price    string // of all pieces
}

// NewRenderer returns a renderer of the templates, which are Templates except in tests;
// shop is the name of the shop. It returns an error if the generic inbox entry cannot be
// rendered in every language.
func NewRenderer(templates fs.FS, shop string) (*Renderer, error) {
	languages, err := parse(templates)
	if err != nil {
		return nil, err
	}
	r := &Renderer{shop: shop, languages: languages}
	return r, r.Check(other, false, true)
}

// Mail renders n for a recipient. order is nil if its content is not known (yet).
func (r *Renderer) Mail(to Recipient, n Notice, order *Order) (Mail, error) {
	t, d, err := r.prepare(to.Locale, n)
	if err != nil {
		return Mail{}, err
	}
	d.Name = to.Name
	if order != nil {
		if err := d.setOrder(*order); err != nil {
			return Mail{}, err
		}
	}
	var m Mail
	if m.Subject, err = execute(t.text, "subject", d); err != nil {
		return Mail{}, err
	}
	if m.Text, err = execute(t.text, "layout.txt.tmpl", d); err != nil {
		return Mail{}, err
	}
	m.HTML, err = execute(t.html, "layout.html.tmpl", d)
	return m, err
}

// Entry renders n for the inbox of a customer who reads locale.
func (r *Renderer) Entry(locale string, n Notice) (Entry, error) {
	t, d, err := r.prepare(locale, n)
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if e.Title, err = execute(t.text, "title", d); err != nil {
		return Entry{}, err
	}
	e.Body, err = execute(t.text, "body", d)
	return e, err
}

// GenericEntry renders n without regard to its kind: the inbox entry for a notice whose
// kind has no template any more, or not yet.
func (r *Renderer) GenericEntry(locale string, n Notice) (Entry, error) {
	n.Kind = other
	return r.Entry(locale, n)
}

func (r *Renderer) prepare(locale string, n Notice) (kindTemplates, data, error) {
	language := r.language(locale)
	t, ok := r.languages[language][n.Kind]
	if !ok {
		return kindTemplates{}, data{}, fmt.Errorf("there is no template for %q in language %q", n.Kind, language)
	}
	d := data{Shop: r.shop, Lang: language, OrderID: n.OrderID, Number: orderNumber(n.OrderID), Reason: n.Reason}
	if n.Amount != (money.Money{}) {
		d.Amount = n.Amount.String()
	}
	return t, d, nil
}

// language returns the closest language that has templates: German for "de-AT".
func (r *Renderer) language(locale string) string {
	language, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(locale, "_", "-")), "-")
	if _, ok := r.languages[language]; ok {
		return language
	}
	return fallback
}

func (d *data) setOrder(o Order) error {
	d.Total = o.Total.String()
	d.Lines = make([]lineData, len(o.Lines))
	for i, l := range o.Lines {
		price, err := l.UnitPrice.Times(l.Quantity)
		if err != nil {
			return fmt.Errorf("price of %d x %s: %w", l.Quantity, l.Name, err)
		}
		d.Lines[i] = lineData{l.Name, l.Quantity, price.String()}
	}
	return nil
}

// orderNumber returns the end of an order's id, which is random, in upper case. It is
// short enough for a subject.
func orderNumber(orderID string) string {
	return strings.ToUpper(orderID[max(0, len(orderID)-8):])
}

type executor interface {
	ExecuteTemplate(w io.Writer, name string, data any) error
}

func execute(t executor, name string, d data) (string, error) {
	var b strings.Builder
	b.Grow(2048)
	if err := t.ExecuteTemplate(&b, name, d); err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	return b.String(), nil
}

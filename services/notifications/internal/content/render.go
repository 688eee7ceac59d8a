package content

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"troupe/platform/ascii"
	"troupe/platform/money"
)

// fallback is the language for recipients whose language has no templates.
const fallback = "en"

// Mail is a mail of which Renderer.Parts renders the text and the HTML from Source. Both
// are empty until then: a mail that only the built-in mailbox stores does not need them.
type Mail struct {
	Subject, Text, HTML string
	Source              Source
}

// Source is what a mail is rendered from. Its JSON is stored.
type Source struct {
	Kind string `json:"kind"`
	data
}

// Entry is a rendered inbox entry.
type Entry struct{ Title, Body string }

// Renderer renders notices. It parses its templates once.
type Renderer struct {
	shop      string
	languages map[string]map[string]kindTemplates // by language and kind
	names     []string                            // of the languages, the fallback first
	points    map[string]string                   // between the whole and the parts of an amount, by language
	matcher   language.Matcher                    // of the names
}

// data is what the templates are executed with.
type data struct {
	Shop        string     `json:"-"`
	Lang        string     `json:"lang"`
	OrderID     string     `json:"order_id,omitempty"`
	Number      string     `json:"-"`
	Amount      string     `json:"amount,omitempty"`
	Total       string     `json:"total,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	Lines       []lineData `json:"lines,omitempty"`
	Items       []itemData `json:"items,omitempty"` // of a digest
	Unsubscribe string     `json:"unsubscribe,omitempty"`
}

type lineData struct {
	Name     string `json:"name"`
	Quantity int64  `json:"quantity"`
	Price    string `json:"price"` // of all pieces
}

// NewRenderer returns a renderer of the templates, which are Templates except in tests;
// shop is the name of the shop. It returns an error if the generic inbox entry, a digest or
// the test mail cannot be rendered in every language.
func NewRenderer(templates fs.FS, shop string) (*Renderer, error) {
	languages, err := parse(templates)
	if err != nil {
		return nil, err
	}
	r := &Renderer{shop: shop, languages: languages, names: namesOf(languages)}
	tags := make([]language.Tag, len(r.names))
	for i, name := range r.names {
		tags[i] = language.Make(name)
	}
	r.matcher = language.NewMatcher(tags)
	if r.points, err = decimalPoints(languages); err != nil {
		return nil, err
	}
	problems := []error{r.Check(other, false, true), r.Check(test, true, false)}
	for _, name := range r.names {
		problems = append(problems, r.checkDigest(name))
	}
	return r, errors.Join(problems...)
}

// decimalPoints returns what the labels of each language define as decimal-point.
func decimalPoints(languages map[string]map[string]kindTemplates) (map[string]string, error) {
	points := map[string]string{}
	for name, kinds := range languages {
		t, ok := kinds[other]
		if !ok {
			continue // Check reports it
		}
		var err error
		if points[name], err = execute(t.text, "decimal-point", data{}); err != nil {
			return nil, fmt.Errorf("define decimal-point in %s%s: %w", folder, fileOf(name, labels), err)
		}
	}
	return points, nil
}

// namesOf returns the names of the languages, the fallback first.
func namesOf[T any](languages map[string]T) []string {
	names := slices.Sorted(maps.Keys(languages))
	names = slices.DeleteFunc(names, func(name string) bool { return name == fallback })
	return slices.Insert(names, 0, fallback)
}

// Mail renders n for a recipient. order is nil if its content is not known (yet).
func (r *Renderer) Mail(to Recipient, n Notice, order *Order) (Mail, error) {
	t, d, err := r.prepare(to.Locale, n)
	if err != nil {
		return Mail{}, err
	}
	d.Unsubscribe = to.Unsubscribe
	if order != nil {
		if err := r.setOrder(&d, *order); err != nil {
			return Mail{}, err
		}
	}
	return mailOf(n.Kind, t, d)
}

func mailOf(kind string, t kindTemplates, d data) (m Mail, err error) {
	m.Source = Source{kind, d}
	m.Subject, err = execute(t.text, "subject", d)
	return m, err
}

// Parts renders the text and the HTML of a mail.
func (r *Renderer) Parts(s Source) (text, html string, err error) {
	t, ok := r.languages[s.Lang][s.Kind]
	if !ok {
		return "", "", fmt.Errorf("there is no template for %q in language %q", s.Kind, s.Lang)
	}
	s.Shop, s.Number = r.shop, orderNumber(s.OrderID)
	if text, err = execute(t.text, "layout.txt.tmpl", s.data); err != nil {
		return "", "", err
	}
	html, err = execute(t.html, "layout.html.tmpl", s.data)
	return text, html, err
}

// complete returns a mail with its parts.
func (r *Renderer) complete(m Mail, err error) (Mail, error) {
	if err == nil {
		m.Text, m.HTML, err = r.Parts(m.Source)
	}
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
	name := r.Closest(locale)
	t, ok := r.languages[name][n.Kind]
	if !ok {
		return kindTemplates{}, data{}, fmt.Errorf("there is no template for %q in language %q", n.Kind, name)
	}
	d := data{Shop: r.shop, Lang: name, OrderID: n.OrderID, Number: orderNumber(n.OrderID), Reason: n.Reason}
	if n.Amount != (money.Money{}) {
		d.Amount = r.amount(name, n.Amount)
	}
	return t, d, nil
}

// Shop returns the name of the shop.
func (r *Renderer) Shop() string { return r.shop }

// Closest returns the language with templates that is closest to locale: German for
// "de-AT" and "gsw", the fallback for one that none is close to.
func (r *Renderer) Closest(locale string) string {
	_, i, _ := r.matcher.Match(language.Make(locale))
	return r.names[i]
}

// amount returns an amount as it is written in a language.
func (r *Renderer) amount(language string, m money.Money) string {
	return strings.Replace(m.String(), ".", r.points[language], 1)
}

func (r *Renderer) setOrder(d *data, o Order) error {
	d.Total = r.amount(d.Lang, o.Total)
	d.Lines = make([]lineData, len(o.Lines))
	for i, l := range o.Lines {
		price, err := l.UnitPrice.Times(l.Quantity)
		if err != nil {
			return fmt.Errorf("price of %d x %s: %w", l.Quantity, l.Name, err)
		}
		d.Lines[i] = lineData{l.Name, l.Quantity, r.amount(d.Lang, price)}
	}
	return nil
}

// orderNumber returns the end of an order's id, which is random, in upper case. It is
// short enough for a subject.
func orderNumber(orderID string) string {
	return ascii.Upper(orderID[max(0, len(orderID)-8):])
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

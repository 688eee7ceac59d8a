package message

import (
	"embed"
	"fmt"
	html "html/template"
	"io"
	"path"
	"strings"
	text "text/template"

	"troupe/platform/money"
)

// templates hold a folder per language with a file per kind of notice, each of
// which defines subject (if it is mailed), title and body in plain words. The
// layouts dress them; labels.tmpl has what they share. The same words go
// through text/template for the plain part and through html/template, which
// escapes them, for the other.
//
//go:embed templates
var templates embed.FS

const fallback = "en"

// Content is a rendered mail.
type Content struct{ Subject, Text, HTML string }

// Entry is a rendered line of somebody's inbox.
type Entry struct{ Title, Body string }

// Renderer renders notices. Its templates are parsed once.
type Renderer struct {
	shop    string
	locales map[string]map[string]words // by language and kind
}

// words are the compiled templates of one kind in one language.
type words struct {
	text *text.Template
	html *html.Template
}

// view is what the templates see.
type view struct {
	Shop, Lang, Name string
	OrderID, Number  string
	Amount, Total    string
	Reason           string
	Lines            []viewLine
}

type viewLine struct {
	Name     string
	Quantity int64
	Price    string // of all of them
}

// NewRenderer parses the templates; shop is how the sender calls itself.
func NewRenderer(shop string) (*Renderer, error) {
	r := &Renderer{shop: shop, locales: map[string]map[string]words{}}
	languages, err := templates.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("list languages: %w", err)
	}
	for _, entry := range languages {
		if !entry.IsDir() {
			continue
		}
		if r.locales[entry.Name()], err = parseLanguage(entry.Name()); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func parseLanguage(language string) (map[string]words, error) {
	folder := path.Join("templates", language)
	files, err := templates.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list templates of %s: %w", language, err)
	}
	kinds := map[string]words{}
	for _, file := range files {
		kind := strings.TrimSuffix(file.Name(), ".tmpl")
		if kind == "labels" {
			continue
		}
		labels, own := path.Join(folder, "labels.tmpl"), path.Join(folder, file.Name())
		var w words
		if w.text, err = text.ParseFS(templates, "templates/layout.txt.tmpl", labels, own); err != nil {
			return nil, fmt.Errorf("parse text of %s in %s: %w", kind, language, err)
		}
		if w.html, err = html.ParseFS(templates, "templates/layout.html.tmpl", labels, own); err != nil {
			return nil, fmt.Errorf("parse HTML of %s in %s: %w", kind, language, err)
		}
		kinds[kind] = w
	}
	return kinds, nil
}

// Mail renders n for r. order is nil if what was ordered is not known (yet).
func (re *Renderer) Mail(r Recipient, n Notice, order *Order) (Content, error) {
	w, v, err := re.prepare(r.Locale, n)
	if err != nil {
		return Content{}, err
	}
	v.Name = r.Name
	if order != nil {
		if err := v.show(*order); err != nil {
			return Content{}, err
		}
	}
	var c Content
	if c.Subject, err = execute(w.text, "subject", v); err != nil {
		return Content{}, err
	}
	if c.Text, err = execute(w.text, "layout.txt.tmpl", v); err != nil {
		return Content{}, err
	}
	c.HTML, err = execute(w.html, "layout.html.tmpl", v)
	return c, err
}

// Entry renders n for the inbox of somebody who reads locale.
func (re *Renderer) Entry(locale string, n Notice) (Entry, error) {
	w, v, err := re.prepare(locale, n)
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if e.Title, err = execute(w.text, "title", v); err != nil {
		return Entry{}, err
	}
	e.Body, err = execute(w.text, "body", v)
	return e, err
}

func (re *Renderer) prepare(locale string, n Notice) (words, view, error) {
	language := re.language(locale)
	w, ok := re.locales[language][n.Kind]
	if !ok {
		return words{}, view{}, fmt.Errorf("there are no words for %q in %s", n.Kind, language)
	}
	v := view{Shop: re.shop, Lang: language, OrderID: n.OrderID, Number: number(n.OrderID), Reason: n.Reason}
	if n.Amount != (money.Money{}) {
		v.Amount = n.Amount.String()
	}
	return w, v, nil
}

// language finds the closest language there is: "de-AT" reads German.
func (re *Renderer) language(locale string) string {
	language, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(locale, "_", "-")), "-")
	if _, ok := re.locales[language]; ok {
		return language
	}
	return fallback
}

func (v *view) show(o Order) error {
	v.Total = o.Total.String()
	v.Lines = make([]viewLine, len(o.Lines))
	for i, l := range o.Lines {
		price, err := l.UnitPrice.Times(l.Quantity)
		if err != nil {
			return fmt.Errorf("price of %d x %s: %w", l.Quantity, l.Name, err)
		}
		v.Lines[i] = viewLine{l.Name, l.Quantity, price.String()}
	}
	return nil
}

// number is an order's id short enough for a subject: its end, which is random.
func number(orderID string) string {
	return strings.ToUpper(orderID[max(0, len(orderID)-8):])
}

type executor interface {
	ExecuteTemplate(w io.Writer, name string, data any) error
}

func execute(t executor, name string, v view) (string, error) {
	var b strings.Builder
	b.Grow(2048)
	if err := t.ExecuteTemplate(&b, name, v); err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	return b.String(), nil
}

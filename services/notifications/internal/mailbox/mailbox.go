// Package mailbox shows the mails of the built-in mailbox in a browser. It is a tool for
// developers, who have no mail server at hand and want to see what would have been sent.
// Its pages run no scripts, load nothing from other servers, and show the HTML of a mail
// only in a sandbox.
package mailbox

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/store"
)

//go:embed pages
var pages embed.FS

const (
	pageSize = 50
	maxWords = 200 // bytes of a search; SQLite limits the length of a pattern

	// pagePolicy is the Content-Security-Policy of the mailbox's own pages: it allows
	// their stylesheet, and a frame for a mail.
	pagePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// mailPolicy is the Content-Security-Policy of a mail: it allows inline styles and
	// images, and nothing else.
	mailPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)

// Mailbox serves the pages.
type Mailbox struct {
	db                sqldb.Querier
	parts             func(content.Source) (text, html string, err error)
	list, mail        *template.Template
	previews, preview *template.Template
	css               []byte
}

// New returns the pages of the mails in db. The function parts renders their text and HTML.
func New(db sqldb.Querier, parts func(content.Source) (text, html string, err error)) (*Mailbox, error) {
	m := &Mailbox{db: db, parts: parts}
	functions := template.FuncMap{"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }}
	for file, into := range map[string]**template.Template{"list": &m.list, "mail": &m.mail, "previews": &m.previews, "preview": &m.preview} {
		t, err := template.New(file+".html").Funcs(functions).ParseFS(pages, "pages/"+file+".html")
		if err != nil {
			return nil, fmt.Errorf("parse the page %s of the mailbox: %w", file, err)
		}
		*into = t
	}
	var err error
	m.css, err = fs.ReadFile(pages, "pages/mailbox.css")
	return m, err
}

// Serve adds the pages to api.
func (m *Mailbox) Serve(api *httpapi.API) {
	api.Handle("GET /mailbox", page(m.showList))
	api.Handle("GET /mailbox/{id}", page(m.showMail))
	api.Handle("GET /mailbox/{id}/html", page(m.showHTML))
	api.Handle("GET /mailbox/mailbox.css", page(m.showCSS))
}

// page returns a handler that calls show, which may return an error as long as it has
// written nothing.
func page(show func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if err := show(w, r); err != nil {
			httpapi.WriteProblem(w, r, err)
		}
	})
}

type listView struct {
	Words string
	Live  bool // the browser reloads the page every two seconds
	Mails []store.Mail
	Older string // the id after which the next page begins; empty on the last page
	First bool
}

func (m *Mailbox) showList(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	search := store.Search{Words: validText(truncate(query.Get("q"))), Before: validText(query.Get("before"))}
	mails, err := store.Mails(r.Context(), m.db, search, pageSize+1)
	if err != nil {
		return err
	}
	view := listView{Words: search.Words, Live: query.Has("live"), Mails: mails, First: search.Before == ""}
	if len(mails) > pageSize {
		view.Mails = mails[:pageSize]
		view.Older = mails[pageSize-1].DeliveryID
	}
	if view.Live {
		w.Header().Set("Refresh", "2")
	}
	return render(w, m.list, view)
}

func (m *Mailbox) showMail(w http.ResponseWriter, r *http.Request) error {
	mail, err := m.find(r)
	if err != nil {
		return err
	}
	if mail.Text, _, err = m.Parts(mail); err != nil {
		return err
	}
	return render(w, m.mail, mail)
}

func (m *Mailbox) showHTML(w http.ResponseWriter, r *http.Request) error {
	mail, err := m.find(r)
	if err != nil {
		return err
	}
	_, html, err := m.Parts(mail)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	_, _ = w.Write([]byte(html)) // an error means that the client has disconnected
	return nil
}

// Parts returns the text and the HTML of a mail.
func (m *Mailbox) Parts(mail store.Mail) (text, html string, err error) {
	if mail.Source.Kind == "" {
		return mail.Text, mail.HTML, nil
	}
	text, html, err = m.parts(mail.Source)
	return cmp.Or(mail.Text, text), html, err
}

func (m *Mailbox) showCSS(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(m.css)
	return nil
}

func (m *Mailbox) find(r *http.Request) (store.Mail, error) {
	id := validText(r.PathValue("id"))
	mail, found, err := store.FindMail(r.Context(), m.db, id)
	if err == nil && !found {
		err = fault.Missing("mail", id, "/mailbox lists all; old mails are deleted")
	}
	return mail, err
}

// render writes a complete page, or returns an error and writes nothing.
func render(w http.ResponseWriter, t *template.Template, view any) error {
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		return fmt.Errorf("render %s: %w", t.Name(), err)
	}
	_, _ = w.Write(b.Bytes())
	return nil
}

// truncate returns the first maxWords bytes of a search.
func truncate(words string) string { return words[:min(len(words), maxWords)] }

// validText returns s without the bytes that PostgreSQL does not accept in a text.
func validText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}

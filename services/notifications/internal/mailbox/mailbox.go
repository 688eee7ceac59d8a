// Package mailbox shows the mails of the built-in mailbox in a browser: a tool
// for developers, who have no mail server at hand and want to see what would
// have been sent. It runs no script, loads nothing from elsewhere, and shows a
// mail's HTML only in a sandbox.
package mailbox

import (
	"bytes"
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
	"troupe/services/notifications/internal/store"
)

//go:embed pages
var pages embed.FS

const (
	pageSize = 50
	maxWords = 200 // bytes of a search; SQLite takes no pattern of any length

	// pagePolicy lets our own pages have our stylesheet, and a frame for a mail.
	pagePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// mailPolicy lets a mail have its looks, and nothing else.
	mailPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)

var errNoMail = fault.New(fault.NotFound, "mail_unknown", "there is no such mail, or it was erased; see /mailbox for what there is")

// Mailbox serves the pages.
type Mailbox struct {
	db   sqldb.Querier
	list *template.Template
	mail *template.Template
	css  []byte
}

// New prepares the pages over the mails in db.
func New(db sqldb.Querier) (*Mailbox, error) {
	m := &Mailbox{db: db}
	functions := template.FuncMap{"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }}
	var err error
	if m.list, err = template.New("list.html").Funcs(functions).ParseFS(pages, "pages/list.html"); err != nil {
		return nil, fmt.Errorf("parse the mailbox's list: %w", err)
	}
	if m.mail, err = template.New("mail.html").Funcs(functions).ParseFS(pages, "pages/mail.html"); err != nil {
		return nil, fmt.Errorf("parse the mailbox's mail: %w", err)
	}
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

// page makes a handler of a function that may fail before it has written.
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
	Live  bool // the browser asks again every two seconds
	Mails []store.Mail
	Older string // begins the next page; empty on the last
	First bool
}

func (m *Mailbox) showList(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	search := store.Search{Words: plain(clip(query.Get("q"))), Before: plain(query.Get("before"))}
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
	return render(w, m.mail, mail)
}

func (m *Mailbox) showHTML(w http.ResponseWriter, r *http.Request) error {
	mail, err := m.find(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	_, _ = w.Write([]byte(mail.HTML)) // a reader who is gone needs no page
	return nil
}

func (m *Mailbox) showCSS(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(m.css)
	return nil
}

func (m *Mailbox) find(r *http.Request) (store.Mail, error) {
	mail, found, err := store.FindMail(r.Context(), m.db, plain(r.PathValue("id")))
	if err == nil && !found {
		err = errNoMail
	}
	return mail, err
}

// render writes a page whole or not at all.
func render(w http.ResponseWriter, t *template.Template, view any) error {
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		return fmt.Errorf("render %s: %w", t.Name(), err)
	}
	_, _ = w.Write(b.Bytes())
	return nil
}

// clip cuts off what nobody can have meant to search for.
func clip(words string) string { return words[:min(len(words), maxWords)] }

// plain is text that a database can be asked for.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}

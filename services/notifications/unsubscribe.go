package notifications

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"troupe/patterns/audit"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/store"
)

//go:embed pages/unsubscribe.html
var pages embed.FS

var unsubscribePage = template.Must(template.ParseFS(pages, "pages/unsubscribe.html"))

// unsubscribeLinks makes and checks the links that end the mails of one category to one
// user, without a login.
type unsubscribeLinks struct {
	base string // empty: there are none
	key  []byte
}

func (s *service) readLinks(ctx context.Context) error {
	if s.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(s.PublicURL)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || s.Production) {
		return fmt.Errorf("NOTIFICATIONS_PUBLIC_URL is %q: it must look like https://api.shop.example", s.PublicURL)
	}
	secret, err := store.Secret(ctx, s.DB, unsubscribeSecret, s.Now(), newSecret)
	s.links = unsubscribeLinks{base: strings.TrimRight(s.PublicURL, "/"), key: []byte(secret)}
	return err
}

// of returns the link of a user for the category of a kind of mail; empty if mails of the
// category are always sent.
func (l unsubscribeLinks) of(userID, kind string) string {
	category, known := preferences.CategoryOf(kind)
	if kind == content.DigestKind {
		category, known = preferences.Shipping, true // only its notices are held back
	}
	if l.base == "" || !known || category.Critical() {
		return ""
	}
	query := url.Values{"user": {userID}, "category": {string(category)}, "signature": {l.sign(userID, string(category))}}
	return l.base + "/unsubscribe?" + query.Encode()
}

func (l unsubscribeLinks) sign(userID, category string) string {
	mac := hmac.New(sha256.New, l.key)
	fmt.Fprintf(mac, "unsubscribe\x00%s\x00%s", userID, category)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// check returns the user and the category of a link.
func (l unsubscribeLinks) check(query url.Values) (userID, category string, err error) {
	userID, category = query.Get("user"), query.Get("category")
	if l.base == "" || !hmac.Equal([]byte(query.Get("signature")), []byte(l.sign(userID, category))) {
		return "", "", fault.New(fault.NotFound, "link_invalid",
			"this link is not complete or was changed; open it from the mail again, or sign in and change your preferences")
	}
	return userID, category, nil
}

// serveUnsubscribe adds the page of the links, and what their button and mail programs
// request (RFC 8058). GET changes nothing, because programs that scan mails follow links.
func (s *service) serveUnsubscribe(api *httpapi.API) {
	api.Handle("GET /unsubscribe", s.unsubscribeHandler(false))
	api.Handle("POST /unsubscribe", s.unsubscribeHandler(true))
}

func (s *service) unsubscribeHandler(acts bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		userID, category, err := s.links.check(r.URL.Query())
		if err == nil && acts {
			err = s.stopMails(r.Context(), userID, category)
		}
		var language string
		if err == nil {
			language, err = s.languageOf(r.Context(), userID)
		}
		var page bytes.Buffer
		if err == nil {
			err = unsubscribePage.Execute(&page, map[string]any{"Language": language, "Shop": s.renderer.Shop(), "Done": acts})
		}
		if err != nil {
			httpapi.WriteProblem(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(page.Bytes()) // an error means that the client has disconnected
	})
}

// stopMails switches the mails of one category off. The other channels stay as they are.
func (s *service) stopMails(ctx context.Context, userID, category string) error {
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		known, err := store.Recipients(ctx, tx, []string{userID})
		if r, ok := known[userID]; err != nil || !ok || r.Deleted {
			return err // nothing is sent to an account that is gone
		}
		changed, err := store.StopMails(ctx, tx, userID, category)
		if err != nil || !changed {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "unsubscribe", Actor: userID, Target: userID, Detail: category})
	})
}

func (s *service) languageOf(ctx context.Context, userID string) (string, error) {
	known, err := store.Recipients(ctx, s.DB, []string{userID})
	return s.renderer.Closest(known[userID].Locale), err
}

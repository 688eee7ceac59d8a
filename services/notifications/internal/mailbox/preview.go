package mailbox

import (
	"net/http"
	"slices"

	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/services/notifications/internal/content"
)

// Previews are samples of the mails that are sent.
type Previews struct {
	Kinds, Languages []string
	Render           func(kind, language, reason string) (content.Mail, error)
}

// ServePreviews adds pages that show a sample of each mail in each language.
func (m *Mailbox) ServePreviews(api *httpapi.API, p Previews) {
	api.Handle("GET /mail-preview", page(func(w http.ResponseWriter, _ *http.Request) error {
		return render(w, m.previews, p)
	}))
	api.Handle("GET /mail-preview/{language}/{kind}", page(func(w http.ResponseWriter, r *http.Request) error {
		mail, err := p.sample(r)
		if err != nil {
			return err
		}
		return render(w, m.preview, map[string]any{"Kind": r.PathValue("kind"), "Language": r.PathValue("language"), "Mail": mail})
	}))
	api.Handle("GET /mail-preview/{language}/{kind}/html", page(func(w http.ResponseWriter, r *http.Request) error {
		mail, err := p.sample(r)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Security-Policy", mailPolicy)
		_, _ = w.Write([]byte(mail.HTML)) // an error means that the client has disconnected
		return nil
	}))
}

func (p Previews) sample(r *http.Request) (content.Mail, error) {
	kind, language := r.PathValue("kind"), r.PathValue("language")
	if !slices.Contains(p.Kinds, kind) || !slices.Contains(p.Languages, language) {
		return content.Mail{}, fault.New(fault.NotFound, "preview_unknown", "no such mail is sent in this language; /mail-preview lists all")
	}
	return p.Render(kind, language, "")
}

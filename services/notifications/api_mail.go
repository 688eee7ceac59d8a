package notifications

import (
	"context"
	"slices"
	"strings"

	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
)

var errNotSigned = fault.New(fault.NotFound, "dkim_off",
	"mails are not signed: set NOTIFICATIONS_SMTP_URL, and do not set NOTIFICATIONS_DKIM=false")

// serveMailTools adds the operations with which an operator prepares the sending of mails.
func (s *service) serveMailTools(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/mail/dkim", s.showDKIM, admin, httpapi.Summary("Show the DNS records that publish the DKIM keys"))
	httpapi.Get(api, "/mail/preview/{kind}", s.previewMail, admin, httpapi.Summary("Render a sample of a kind of mail"))
	httpapi.Post(api, "/mail/test", s.sendTest, admin, httpapi.Summary("Send a test mail to an address"))
}

type recordView struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

type dkimResponse struct {
	Body struct {
		Records []recordView `json:"records"`
	}
}

func (s *service) showDKIM(context.Context, *struct{}) (*dkimResponse, error) {
	if s.dkim == nil {
		return nil, errNotSigned
	}
	records, err := s.dkim.Records()
	if err != nil {
		return nil, err
	}
	response := &dkimResponse{}
	for _, r := range records {
		response.Body.Records = append(response.Body.Records, recordView{Name: r.Name, Type: "TXT", Value: r.Value})
	}
	return response, nil
}

type previewRequest struct {
	Kind     string `path:"kind" maxLength:"100" doc:"The type of the event without its version, for example order.paid"`
	Language string `query:"language" maxLength:"35" default:"en"`
	Reason   string `query:"reason" maxLength:"100" doc:"The reason in the event, for kinds that have one"`
}

type previewResponse struct {
	Body struct {
		Subject string `json:"subject"`
		Text    string `json:"text"`
		HTML    string `json:"html"`
	}
}

func (s *service) previewMail(_ context.Context, r *previewRequest) (*previewResponse, error) {
	kind := content.KindOf(r.Kind)
	if !slices.Contains(mailedKinds(), kind) {
		kind = r.Kind
	}
	if !slices.Contains(mailedKinds(), kind) {
		return nil, fault.New(fault.NotFound, "kind_unknown", "no mail is sent about %q; choose one of %s", r.Kind, strings.Join(mailedKinds(), ", "))
	}
	mail, err := s.sample(kind, r.Language, r.Reason)
	if err != nil {
		return nil, err
	}
	response := &previewResponse{}
	response.Body.Subject, response.Body.Text, response.Body.HTML = mail.Subject, mail.Text, mail.HTML
	return response, nil
}

// sample renders a sample of a kind of mail.
func (s *service) sample(kind, language, reason string) (content.Mail, error) {
	return s.renderer.Sample(kind, language, reason, s.links.of("sample", kind))
}

// mailedKinds returns the kinds of notice that are sent as mails, sorted.
func mailedKinds() (kinds []string) {
	for _, k := range allKinds() {
		if k.Email {
			kinds = append(kinds, k.kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

type testMailRequest struct {
	Body struct {
		Address  string `json:"address" maxLength:"320" example:"ada@example.com"`
		Language string `json:"language,omitempty" maxLength:"35" example:"en"`
	}
}

type testMailResponse struct {
	Body struct {
		State string `json:"state" doc:"sent: the server accepted the mail; stored: it is in the built-in mailbox; otherwise what a mail to a customer would become"`
		Phase string `json:"phase,omitempty" doc:"How far the attempt got: connect, mail, rcpt, body or dot"`
		Reply string `json:"reply,omitempty"`
		About string `json:"about,omitempty" doc:"What a refusal was about"`
	}
}

// sendTest sends a test mail at once, once, and answers how that ended. It is neither
// queued nor repeated, and the suppression list does not stop it.
func (s *service) sendTest(ctx context.Context, r *testMailRequest) (*testMailResponse, error) {
	to, err := smtp.Address("", strings.TrimSpace(r.Body.Address))
	if err != nil {
		return nil, fault.New(fault.Invalid, "address_invalid", "this is not a mail address; write it like ada@example.com").
			WithField("body.address", "must be a mail address")
	}
	mail, err := s.renderer.Test(r.Body.Language)
	if err != nil {
		return nil, err
	}
	m := smtp.Message{ID: s.NewID(), From: s.from, To: to, Date: s.Now(), Subject: mail.Subject, Text: mail.Text, HTML: mail.HTML}
	m.Return = s.returnAddress(m.ID)
	response := &testMailResponse{}
	if s.servers != nil {
		a := s.servers.Test(ctx, m)
		response.Body.State, response.Body.Phase, response.Body.Reply, response.Body.About = string(a.State), string(a.Phase), a.Reply, string(a.About)
	} else {
		response.Body.State = "stored"
	}
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if s.servers == nil {
			j := &job{Delivery: store.Delivery{ID: m.ID, State: delivery.Sent}, mail: m, source: mail.Source}
			if err := store.AddMails(ctx, tx, []store.Mail{j.storedMail(s.Now())}); err != nil {
				return err
			}
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "send_test_mail", Detail: response.Body.State})
	})
	return response, err
}

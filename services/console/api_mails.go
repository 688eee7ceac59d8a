package console

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"troupe/platform/ascii"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
	"troupe/services/console/internal/view"
)

// listedMails is how many deliveries are looked at.
const listedMails = "100"

type listSentRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`

	Channel string `query:"channel" enum:"email,push,inbox,webhook," doc:"Only those of a channel"`
	Q       string `query:"q" maxLength:"200" doc:"In the kind, the state, the subject, the text or the order's id"`
	Order   string `query:"order" maxLength:"100" doc:"Only those about an order"`
}

type sentResponse struct{ Body view.Mails }

type sentMailRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`

	ID string `path:"id" maxLength:"100" doc:"The id of a delivery"`
}

type sentMailResponse struct{ Body view.Mail }

func (c *console) registerMails(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/console/api/mails", c.listMails, admin, httpapi.Summary("List mails, pushes and deliveries to webhooks"))
	httpapi.Get(api, "/console/api/mails/{id}", c.showMail, admin, httpapi.Summary("Show a mail, a push or a delivery to a webhook"))
}

// sentDelivery is a delivery as notifications lists it.
type sentDelivery struct {
	ID        string         `json:"id"`
	Kind      string         `json:"kind"`
	Channel   string         `json:"channel"`
	OrderID   string         `json:"order_id"`
	State     string         `json:"state"`
	CreatedAt timestamp.Time `json:"created_at"`
}

// boxedMail is a mail in the built-in mailbox of notifications, which has none if mails
// go to a server.
type boxedMail struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

func mailOf(d sentDelivery, box map[string]boxedMail) view.Mail {
	return view.Mail{
		ID: d.ID, OrderID: d.OrderID, Channel: d.Channel, Kind: d.Kind, State: d.State, At: d.CreatedAt.Time,
		Subject: box[d.ID].Subject, Text: box[d.ID].Text,
	}
}

func (c *console) listMails(ctx context.Context, r *listSentRequest) (*sentResponse, error) {
	var list struct {
		Items []sentDelivery `json:"items"`
	}
	query := url.Values{"limit": {listedMails}}
	for name, value := range map[string]string{"channel": r.Channel, "order_id": r.Order} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if err := c.getPeer(ctx, "notifications", "/deliveries?"+query.Encode(), r.Authorization, &list); err != nil {
		return nil, err
	}
	box := c.mailbox(ctx, r.Authorization)
	mails := view.Mails{Items: []view.Mail{}}
	for _, d := range list.Items {
		if m := mailOf(d, box); containsText(m, r.Q) {
			mails.Items = append(mails.Items, m)
		}
	}
	slices.SortStableFunc(mails.Items, func(a, b view.Mail) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return &sentResponse{mails}, nil
}

func containsText(m view.Mail, text string) bool {
	text = ascii.Lower(text)
	return slices.ContainsFunc([]string{m.Kind, m.State, m.Subject, m.Text, m.OrderID}, func(s string) bool {
		return strings.Contains(ascii.Lower(s), text)
	})
}

// mailbox returns what the built-in mailbox has, by the ids of the deliveries: nothing if
// there is none.
func (c *console) mailbox(ctx context.Context, authorization string) map[string]boxedMail {
	var page struct {
		Items []boxedMail `json:"items"`
	}
	if err := c.getPeer(ctx, "notifications", "/mailbox.json?limit=200", authorization, &page); err != nil {
		c.Log.DebugContext(ctx, "there is no mailbox to show", "error", err)
		return nil
	}
	box := make(map[string]boxedMail, len(page.Items))
	for _, m := range page.Items {
		box[m.ID] = m
	}
	return box
}

func (c *console) showMail(ctx context.Context, r *sentMailRequest) (*sentMailResponse, error) {
	var source json.RawMessage
	if err := c.getPeer(ctx, "notifications", "/deliveries/"+url.PathEscape(r.ID), r.Authorization, &source); err != nil {
		return nil, err
	}
	var d sentDelivery
	if err := json.Unmarshal(source, &d); err != nil {
		return nil, err
	}
	box := c.mailbox(ctx, r.Authorization)
	m := mailOf(d, box)
	m.HTML, m.Source = box[d.ID].HTML, string(source)
	return &sentMailResponse{m}, nil
}

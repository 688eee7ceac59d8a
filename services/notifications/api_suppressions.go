package notifications

import (
	"context"
	"strings"

	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
)

// suppressionView is the JSON of a suppression.
type suppressionView struct {
	ID        string         `json:"id"`
	Address   string         `json:"address,omitempty" doc:"In lower case; absent once the account with it was deleted"`
	Reason    string         `json:"reason" enum:"bounce,complaint,manual" doc:"bounce: the address does not exist; complaint: its owner took a mail for spam, and only gets what is critical; manual: an admin added it"`
	Detail    string         `json:"detail,omitempty"`
	CreatedAt timestamp.Time `json:"created_at"`
}

type listSuppressionsRequest struct {
	httpapi.PageQuery
	Address string `query:"address" maxLength:"320" doc:"Return only the suppression of this address"`
}

type suppressionsResponse struct{ Body httpapi.Page[suppressionView] }

type addSuppressionRequest struct {
	Body struct {
		Address string `json:"address" maxLength:"320" example:"bob@example.com"`
		Detail  string `json:"detail,omitempty" maxLength:"500" example:"Asked by telephone" doc:"Why, for other admins"`
	}
}

type suppressionResponse struct{ Body suppressionView }

type removeSuppressionRequest struct {
	ID string `path:"id" maxLength:"100"`
}

// serveSuppressions adds the operations on the list of addresses that get no mail.
func (s *service) serveSuppressions(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/suppressions", s.listSuppressions, admin, httpapi.Summary("List the addresses that get no mail, newest first"))
	httpapi.Post(api, "/suppressions", s.addSuppression, admin, httpapi.Status(201), httpapi.Summary("Send no more mails to an address"))
	httpapi.Delete(api, "/suppressions/{id}", s.removeSuppression, admin, httpapi.Summary("Send mails to an address again"))
}

func (s *service) listSuppressions(ctx context.Context, r *listSuppressionsRequest) (*suppressionsResponse, error) {
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	list, err := store.Suppressions(ctx, s.DB, r.Address, before, r.Fetch())
	if err != nil {
		return nil, err
	}
	return &suppressionsResponse{httpapi.PageOf(r.PageQuery, list, func(s store.Suppression) string { return s.ID }, suppressionViewOf)}, nil
}

// addSuppression adds an address. One that is on the list already stays as it is, so that
// a repeated request changes nothing.
func (s *service) addSuppression(ctx context.Context, r *addSuppressionRequest) (*suppressionResponse, error) {
	address, err := smtp.Address("", strings.TrimSpace(r.Body.Address))
	if err != nil {
		return nil, fault.New(fault.Invalid, "address_invalid", "this is not a mail address; write it like ada@example.com").
			WithField("body.address", "must be a mail address")
	}
	var added store.Suppression
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.Suppress(ctx, tx, store.Suppression{
			ID: s.NewID(), Address: address.Address, Reason: store.Manual, Detail: r.Body.Detail, CreatedAt: s.Now(),
		}); err != nil {
			return err
		}
		list, err := store.Suppressions(ctx, tx, address.Address, "", 1)
		if err != nil {
			return err
		}
		added = list[0]
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "add_suppression", Target: added.ID})
	})
	if err != nil {
		return nil, err
	}
	return &suppressionResponse{suppressionViewOf(added)}, nil
}

func (s *service) removeSuppression(ctx context.Context, r *removeSuppressionRequest) (*struct{}, error) {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		removed, err := store.Unsuppress(ctx, tx, r.ID)
		if err == nil && !removed {
			err = fault.Missing("suppression", r.ID, "GET /suppressions lists all")
		}
		if err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "remove_suppression", Target: r.ID})
	})
	return nil, err
}

func suppressionViewOf(s store.Suppression) suppressionView {
	return suppressionView{ID: s.ID, Address: s.Address, Reason: s.Reason, Detail: s.Detail, CreatedAt: timestamp.Of(s.CreatedAt)}
}

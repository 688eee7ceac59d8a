package console

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"troupe/app"
	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/services/console/internal/view"
)

const (
	// linkLife is how long a link can be used, and mostLinks how many there are at a time.
	linkLife  = 24 * time.Hour
	mostLinks = 100
)

var (
	errLinkUsed = fault.New(fault.Unauthenticated, "link_used",
		"this link was used before, or the console has started again since; sign in with the admin's password, or run 'troupe console' for another link")
	errTooManyLinks = fault.New(fault.TooManyRequests, "too_many_links", "there are too many links that nobody has used; use one of them, or try again tomorrow")
)

// link is a link with which a browser is signed in once.
type link struct {
	refresh string // the refresh token of the session that it begins with
	made    time.Time
}

type loginRequest struct {
	ForwardedFor string `header:"X-Forwarded-For" hidden:"true"`
	Proto        string `header:"X-Forwarded-Proto" hidden:"true"`
	Device       string `cookie:"troupe_console_device" hidden:"true"`
	Body         struct {
		Email    string `json:"email" minLength:"1" maxLength:"320"`
		Password string `json:"password" format:"password" minLength:"1" maxLength:"1024"`
	}
}

type loginTokenRequest struct {
	Proto string `header:"X-Forwarded-Proto" hidden:"true"`
	Body  struct {
		Token string `json:"token" minLength:"1" maxLength:"200"`
	}
}

type logoutRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
}

type sessionResponse struct {
	SetCookie []string `header:"Set-Cookie" hidden:"true"`
	Body      view.Session
}

type logoutResponse struct {
	SetCookie []string `header:"Set-Cookie" hidden:"true"`
}

type createLinkRequest struct {
	Body struct {
		RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"2000" doc:"Of a session of the caller, which the browser continues"`
	}
}

type linkResponse struct {
	Body struct {
		Token string `json:"token" doc:"Open /console/?token=TOKEN once"`
	}
}

func (c *console) registerSession(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, apiPrefix+"session", c.getSession, admin, httpapi.Summary("Show who is signed in, and what is permitted"))
	httpapi.Post(api, apiPrefix+"login", c.login, httpapi.Anonymous(), httpapi.Summary("Sign an admin in with a password"))
	httpapi.Post(api, apiPrefix+"login/token", c.loginWithLink, httpapi.Anonymous(), httpapi.Summary("Sign an admin in with the token of a link"))
	httpapi.Post(api, apiPrefix+"logout", c.logout, httpapi.Public(), httpapi.Summary("End the session"))
	httpapi.Post(api, apiPrefix+"links", c.createLink, admin, httpapi.Status(http.StatusCreated), httpapi.Summary("Create a link that signs a browser in once"))
	httpapi.Get(api, apiPrefix+"actions", c.listActions, admin, httpapi.Summary("List what admins did in the console, newest first"))
}

func (c *console) getSession(ctx context.Context, _ *struct{}) (*sessionResponse, error) {
	return &sessionResponse{Body: c.sessionView(c.emailOf(auth.CallerOf(ctx)))}, nil
}

func (c *console) sessionView(email string) view.Session {
	v := view.Session{Email: email, Environment: "development", ReadOnly: c.Mode == modeReadOnly, Version: app.Version, JaegerURL: c.JaegerURL}
	if c.Production {
		v.Environment = "production"
	}
	v.Lab = !c.Production && !v.ReadOnly
	return v
}

func (c *console) login(ctx context.Context, in *loginRequest) (*sessionResponse, error) {
	t, err := c.askForTokens(ctx, in.ForwardedFor, passwordForm(in.Body.Email, in.Body.Password, in.Device))
	if err != nil {
		return nil, err
	}
	return c.begin(ctx, t, in.Proto)
}

// loginWithLink uses a link up. It continues the session that the link was made from.
func (c *console) loginWithLink(ctx context.Context, in *loginTokenRequest) (*sessionResponse, error) {
	s := c.sessions
	s.mu.Lock()
	l, found := s.links[in.Body.Token]
	delete(s.links, in.Body.Token)
	s.mu.Unlock()
	if !found || c.Now().Sub(l.made) > linkLife {
		return nil, errLinkUsed
	}
	t, err := c.askForTokens(ctx, "", refreshForm(l.refresh))
	if err != nil {
		return nil, err
	}
	return c.begin(ctx, t, in.Proto)
}

// begin returns the response that begins the session of a browser, if the user is an admin.
func (c *console) begin(ctx context.Context, t tokens, proto string) (*sessionResponse, error) {
	caller, err := c.Verifier.Verify(ctx, t.Access)
	if err != nil {
		return nil, err
	}
	if caller.Role != auth.Admin {
		_ = c.endSession(ctx, "Bearer "+t.Access) // it is of no use, and ends by itself
		return nil, httpapi.RoleRequired(auth.Admin)
	}
	if err := c.confirm(ctx, caller, t.Access, changesUnconfirmed); err != nil {
		return nil, err
	}
	secure := proto == "https"
	return &sessionResponse{append(cookies(t, secure), deviceCookieOf(t, secure)...), c.sessionView(c.emailOf(caller))}, nil
}

// logout ends the session here at once, and at users too. The browser forgets it in any
// case, and may go away before the end.
func (c *console) logout(ctx context.Context, in *logoutRequest) (*logoutResponse, error) {
	ctx = context.WithoutCancel(ctx)
	if in.Authorization != "" {
		if caller := auth.CallerOf(ctx); caller.SessionID != "" {
			c.revoke(ctx, caller)
		}
		if err := c.endSession(ctx, in.Authorization); err != nil {
			c.Log.WarnContext(ctx, "a session could not be ended at users", "error", err)
		}
	}
	return &logoutResponse{cookies(tokens{}, false)}, nil
}

func (c *console) endSession(ctx context.Context, authorization string) error {
	return c.askUsers(ctx, http.MethodPost, "/logout", asking{authorization: authorization}, nil)
}

func (c *console) createLink(_ context.Context, in *createLinkRequest) (*linkResponse, error) {
	s, now := c.sessions, c.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, l := range s.links {
		if now.Sub(l.made) > linkLife {
			delete(s.links, token)
		}
	}
	if len(s.links) >= mostLinks {
		return nil, errTooManyLinks
	}
	response := &linkResponse{}
	response.Body.Token = rand.Text()
	s.links[response.Body.Token] = link{in.Body.RefreshToken, now}
	return response, nil
}

type listActionsRequest struct {
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type actionsResponse struct{ Body view.Actions }

// listActions reads the audit log of the console, which keeps what was done in it.
func (c *console) listActions(ctx context.Context, in *listActionsRequest) (*actionsResponse, error) {
	entries, err := c.Audit.List(ctx, audit.Filter{}, in.Limit)
	if err != nil {
		return nil, err
	}
	items := make([]view.Action, 0, len(entries))
	for _, e := range entries {
		items = append(items, view.Action{At: e.At.Time, By: e.Actor, Action: e.Action, Target: e.Target, Reason: e.Detail, Result: e.Outcome})
	}
	return &actionsResponse{view.Actions{Items: items}}, nil
}

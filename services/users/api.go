package users

import (
	"context"
	"time"

	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Post(api, "/users", s.postUser, httpapi.Anonymous(), httpapi.Status(201), httpapi.Summary("Register"))
	httpapi.Get(api, "/users/me", s.getMe, httpapi.Summary("Show my account"))
	httpapi.Patch(api, "/users/me", s.patchMe, httpapi.Summary("Change my name or language"))
	httpapi.Delete(api, "/users/me", s.deleteMe, httpapi.Summary("Delete my account"))
	httpapi.Post(api, "/users/me/password", s.postPassword, httpapi.Summary("Change my password and end my other sessions"))

	httpapi.Post(api, "/token", s.postToken, httpapi.Anonymous(), httpapi.Summary("Sign in, or refresh"))
	httpapi.Post(api, "/logout", s.postLogout, httpapi.Summary("Sign out"))
	httpapi.Get(api, "/.well-known/jwks.json", s.getJWKS, httpapi.Anonymous(), httpapi.Summary("Show the keys that sign access tokens"))

	httpapi.Get(api, "/users", s.getUsers, httpapi.RequireRole(auth.Admin), httpapi.Summary("List users"))
	httpapi.Get(api, "/users/{id}", s.getUser, httpapi.RequireRole(auth.Admin), httpapi.Summary("Show a user"))
}

type userView struct {
	ID        string    `json:"id" format:"uuid"`
	Email     string    `json:"email" format:"email"`
	Name      string    `json:"name"`
	Role      string    `json:"role" enum:"user,admin"`
	Locale    string    `json:"locale" example:"en"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func viewOf(a account.Account) userView {
	return userView{
		ID: a.ID, Email: a.Email, Name: a.Name, Role: string(a.Role), Locale: a.Locale,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

type userOut struct{ Body userView }

type newUser struct {
	Email    string `json:"email" example:"ada@example.com" maxLength:"320"`
	Password string `json:"password" format:"password" maxLength:"1024" doc:"Kept exactly as sent; at least 12 characters unless set otherwise"`
	Name     string `json:"name" example:"Ada Lovelace" maxLength:"400"`
	Locale   string `json:"locale,omitempty" example:"en" maxLength:"35" doc:"Language of what we write to you"`
}

type postUserIn struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"The same key and body give the same answer again"`
	Body           newUser
}

type registeredOut struct {
	Location string `header:"Location"`
	Body     userView
}

func (s *service) postUser(ctx context.Context, in *postUserIn) (*registeredOut, error) {
	view, err := s.register(ctx, in.Body, in.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	// Only admins see accounts by their id; to its owner an account is always "me".
	return &registeredOut{Location: "/users/me", Body: view}, nil
}

func (s *service) getMe(ctx context.Context, _ *struct{}) (*userOut, error) {
	return s.show(ctx, callerOf(ctx).UserID)
}

type patchMeIn struct {
	Body struct {
		Name   *string `json:"name,omitempty" maxLength:"400"`
		Locale *string `json:"locale,omitempty" maxLength:"35"`
	}
}

func (s *service) patchMe(ctx context.Context, in *patchMeIn) (*userOut, error) {
	view, err := s.update(ctx, callerOf(ctx).UserID, account.Profile{Name: in.Body.Name, Locale: in.Body.Locale})
	if err != nil {
		return nil, err
	}
	return &userOut{view}, nil
}

func (s *service) deleteMe(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, s.remove(ctx, callerOf(ctx))
}

type postPasswordIn struct {
	Body struct {
		Current string `json:"current_password" format:"password" maxLength:"1024"`
		New     string `json:"new_password" format:"password" maxLength:"1024"`
	}
}

func (s *service) postPassword(ctx context.Context, in *postPasswordIn) (*struct{}, error) {
	return nil, s.changePassword(ctx, callerOf(ctx), in.Body.Current, in.Body.New)
}

type getUserIn struct {
	ID string `path:"id"`
}

func (s *service) getUser(ctx context.Context, in *getUserIn) (*userOut, error) {
	return s.show(ctx, in.ID)
}

func (s *service) show(ctx context.Context, id string) (*userOut, error) {
	a, err := store.Get(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	return &userOut{viewOf(a)}, nil
}

type usersOut struct{ Body httpapi.Page[userView] }

func (s *service) getUsers(ctx context.Context, in *httpapi.PageQuery) (*usersOut, error) {
	after, err := in.After()
	if err != nil {
		return nil, err
	}
	accounts, err := store.List(ctx, s.db, after, in.Fetch())
	if err != nil {
		return nil, err
	}
	return &usersOut{httpapi.PageOf(*in, accounts, func(a account.Account) string { return a.ID }, viewOf)}, nil
}

// callerOf gives the caller of an operation that is not public: there is one.
func callerOf(ctx context.Context) auth.Caller {
	c, _ := auth.CallerFrom(ctx)
	return c
}

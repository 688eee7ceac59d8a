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
	httpapi.Post(api, "/users", s.registerUser, httpapi.Anonymous(), httpapi.Status(201), httpapi.Summary("Register"))
	httpapi.Get(api, "/users/me", s.getMe, httpapi.Summary("Show my account"))
	httpapi.Patch(api, "/users/me", s.updateMe, httpapi.Summary("Change my name or language"))
	httpapi.Delete(api, "/users/me", s.deleteMe, httpapi.Summary("Delete my account"))
	httpapi.Post(api, "/users/me/password", s.changeMyPassword, httpapi.Summary("Change my password and end my other sessions"))

	httpapi.Post(api, "/token", s.issueToken, httpapi.Anonymous(), httpapi.Summary("Sign in, or refresh"))
	httpapi.Post(api, "/logout", s.logOut, httpapi.Summary("Sign out"))
	httpapi.Get(api, "/.well-known/jwks.json", s.getJWKS, httpapi.Anonymous(), httpapi.Summary("Show the keys that sign access tokens"))

	httpapi.Get(api, "/users", s.listUsers, httpapi.RequireRole(auth.Admin), httpapi.Summary("List users"))
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

type userResponse struct{ Body userView }

// newUser is named after its schema in the API document.
type newUser struct {
	Email    string `json:"email" example:"ada@example.com" maxLength:"320"`
	Password string `json:"password" format:"password" maxLength:"1024" doc:"Used exactly as sent; at least 12 characters unless the server is configured otherwise"`
	Name     string `json:"name" example:"Ada Lovelace" maxLength:"400"`
	Locale   string `json:"locale,omitempty" example:"en" maxLength:"35" doc:"Language of the messages that you receive"`
}

type registerUserRequest struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"A repeated request with the same key and body gets the same response"`
	Body           newUser
}

type registeredUserResponse struct {
	Location string `header:"Location"`
	Body     userView
}

func (s *service) registerUser(ctx context.Context, in *registerUserRequest) (*registeredUserResponse, error) {
	view, err := s.register(ctx, in.Body, in.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	// Only admins read accounts by id; to its owner an account is always "me".
	return &registeredUserResponse{Location: "/users/me", Body: view}, nil
}

func (s *service) getMe(ctx context.Context, _ *struct{}) (*userResponse, error) {
	return s.show(ctx, auth.CallerOf(ctx).UserID)
}

type updateMeRequest struct {
	Body patchMeInBody
}

// patchMeInBody is named after its schema in the API document.
type patchMeInBody struct {
	Name   *string `json:"name,omitempty" maxLength:"400"`
	Locale *string `json:"locale,omitempty" maxLength:"35"`
}

func (s *service) updateMe(ctx context.Context, in *updateMeRequest) (*userResponse, error) {
	view, err := s.updateProfile(ctx, auth.CallerOf(ctx).UserID, account.Profile{Name: in.Body.Name, Locale: in.Body.Locale})
	if err != nil {
		return nil, err
	}
	return &userResponse{view}, nil
}

func (s *service) deleteMe(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, s.deleteAccount(ctx, auth.CallerOf(ctx))
}

type changePasswordRequest struct {
	Body postPasswordInBody
}

// postPasswordInBody is named after its schema in the API document.
type postPasswordInBody struct {
	Current string `json:"current_password" format:"password" maxLength:"1024"`
	New     string `json:"new_password" format:"password" maxLength:"1024"`
}

func (s *service) changeMyPassword(ctx context.Context, in *changePasswordRequest) (*struct{}, error) {
	return nil, s.changePassword(ctx, auth.CallerOf(ctx), in.Body.Current, in.Body.New)
}

type getUserRequest struct {
	ID string `path:"id"`
}

func (s *service) getUser(ctx context.Context, in *getUserRequest) (*userResponse, error) {
	return s.show(ctx, in.ID)
}

func (s *service) show(ctx context.Context, id string) (*userResponse, error) {
	a, err := store.Get(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	return &userResponse{viewOf(a)}, nil
}

type usersResponse struct{ Body httpapi.Page[userView] }

type listUsersRequest struct{ httpapi.PageQuery }

func (s *service) listUsers(ctx context.Context, in *listUsersRequest) (*usersResponse, error) {
	after, err := in.After()
	if err != nil {
		return nil, err
	}
	accounts, err := store.List(ctx, s.DB, after, in.Fetch())
	if err != nil {
		return nil, err
	}
	return &usersResponse{httpapi.PageOf(in.PageQuery, accounts, func(a account.Account) string { return a.ID }, viewOf)}, nil
}

package users

import (
	"context"
	"errors"
	"strconv"

	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Post(api, "/users", s.registerUser, httpapi.Anonymous(), httpapi.Status(201), httpapi.Summary("Register"),
		httpapi.Example(newUser{Email: exampleEmail, Password: examplePassword, Name: "Ada Lovelace", Locale: "en"}))
	httpapi.Get(api, "/users/me", s.getMe, httpapi.Summary("Show my account"))
	httpapi.Patch(api, "/users/me", s.updateMe, httpapi.Summary("Change my name or language"),
		httpapi.Example(map[string]string{"name": "Ada King", "locale": "de"}))
	httpapi.Delete(api, "/users/me", s.deleteMe, httpapi.Summary("Delete my account"), httpapi.Example(deleteMeInBody{examplePassword}),
		httpapi.Description("Its sessions end at once. Its orders remain, without what is personal."))
	httpapi.Post(api, "/users/me/password", s.changeMyPassword, httpapi.Summary("Change my password and end my other sessions"),
		httpapi.Example(postPasswordInBody{examplePassword, "eight masks behind the curtain"}))

	httpapi.Post(api, "/token", s.issueToken, httpapi.Anonymous(), httpapi.OAuthGrants("password", "refresh_token"), httpapi.Summary("Sign in, or refresh"),
		httpapi.Example(tokenForm{GrantType: "password", Username: exampleEmail, Password: examplePassword}),
		httpapi.Description("The access token is for the header Authorization of other operations. The refresh token gets the next one, once."))
	httpapi.Post(api, "/logout", s.logOut, httpapi.Summary("Sign out"),
		httpapi.Description("Ends the session of the token: its access tokens and its refresh token are no longer accepted by any service."))
	httpapi.Get(api, "/.well-known/jwks.json", s.getJWKS, httpapi.Anonymous(), httpapi.Summary("Show the keys that sign access tokens"))

	httpapi.Get(api, "/users", s.listUsers, httpapi.RequireRole(auth.Admin), httpapi.Summary("List users"))
	httpapi.Get(api, "/users/{id}", s.getUser, httpapi.RequireRole(auth.Admin), httpapi.Summary("Show a user"))
}

// exampleEmail and examplePassword are the account in the examples of the API document.
const (
	exampleEmail    = "ada@example.com"
	examplePassword = "seven lamps above the stage" //nolint:gosec // no account has it: it is what the documents show
)

type userView struct {
	ID        string         `json:"id" readOnly:"true" format:"uuid"`
	Email     string         `json:"email" readOnly:"true" format:"email"`
	Name      string         `json:"name"`
	Role      string         `json:"role" readOnly:"true" enum:"user,admin"`
	Locale    string         `json:"locale" example:"en"`
	CreatedAt timestamp.Time `json:"created_at" readOnly:"true"`
	UpdatedAt timestamp.Time `json:"updated_at" readOnly:"true"`
}

func viewOf(a account.Account) userView {
	return userView{
		ID: a.ID, Email: a.Email, Name: a.Name, Role: string(a.Role), Locale: a.Locale,
		CreatedAt: timestamp.Of(a.CreatedAt), UpdatedAt: timestamp.Of(a.UpdatedAt),
	}
}

type userResponse struct {
	ETag httpapi.ETag `header:"ETag"`
	Body userView
}

func responseOf(a account.Account) *userResponse {
	return &userResponse{ETag: tagOf(a), Body: viewOf(a)}
}

// tagOf returns the entity tag of an account. The id is in it because the same path,
// /users/me, shows another account to another caller.
func tagOf(a account.Account) httpapi.ETag {
	return httpapi.NewETag(a.ID + "-" + strconv.FormatInt(a.Version, 10))
}

// newUser is named after its schema in the API document.
type newUser struct {
	Email    string `json:"email" example:"ada@example.com" maxLength:"320"`
	Password string `json:"password" format:"password" maxLength:"1024" doc:"Used as sent, but for its Unicode form; at least 12 characters unless the server is configured otherwise"`
	Name     string `json:"name" example:"Ada Lovelace" maxLength:"400"`
	Locale   string `json:"locale,omitempty" example:"en" maxLength:"100" doc:"Language of the messages that you receive, as a tag such as pt-BR; one that is not known counts as English"`
}

type registerUserRequest struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"A repeated request with the same key and body gets the same response"`
	ForwardedFor   string `header:"X-Forwarded-For" hidden:"true"`
	Body           newUser
}

type registeredUserResponse struct {
	Location string `header:"Location"`
	Body     userView
}

func (s *service) registerUser(ctx context.Context, in *registerUserRequest) (*registeredUserResponse, error) {
	view, err := s.register(ctx, in.Body, in.IdempotencyKey, s.clientAddress(in.ForwardedFor))
	if err != nil {
		s.auditRegistration(ctx, err)
		return nil, err
	}
	// Only admins read accounts by id; to its owner an account is always "me".
	return &registeredUserResponse{Location: "/users/me", Body: view}, nil
}

type getMeRequest struct{ httpapi.ConditionalGet }

func (s *service) getMe(ctx context.Context, _ *getMeRequest) (*userResponse, error) {
	return s.show(ctx, auth.CallerOf(ctx).UserID)
}

type updateMeRequest struct {
	httpapi.Conditional
	Body patchMeInBody
}

// patchMeInBody is named after its schema in the API document.
type patchMeInBody struct {
	Name   *string `json:"name,omitempty" maxLength:"400"`
	Locale *string `json:"locale,omitempty" maxLength:"100"`

	ID        *string         `json:"id,omitempty" readOnly:"true"`
	Email     *string         `json:"email,omitempty" readOnly:"true"`
	Role      *string         `json:"role,omitempty" readOnly:"true"`
	CreatedAt *timestamp.Time `json:"created_at,omitempty" readOnly:"true"`
	UpdatedAt *timestamp.Time `json:"updated_at,omitempty" readOnly:"true"`
}

// check returns an error if the request is not meant for the account as it is.
func (in *updateMeRequest) check(a account.Account) error {
	if err := in.Check(tagOf(a)); err != nil {
		return err
	}
	return httpapi.CheckReadOnly(in.Body, viewOf(a))
}

func (s *service) updateMe(ctx context.Context, in *updateMeRequest) (*userResponse, error) {
	a, err := s.updateProfile(ctx, auth.CallerOf(ctx).UserID, account.Profile{Name: in.Body.Name, Locale: in.Body.Locale}, in.check)
	if errors.Is(err, store.ErrChanged) {
		err = in.Overtaken(err)
	}
	if err != nil {
		return nil, err
	}
	return responseOf(a), nil
}

type deleteMeRequest struct {
	httpapi.Conditional
	Body deleteMeInBody
}

// deleteMeInBody is named after its schema in the API document.
type deleteMeInBody struct {
	Password string `json:"password" format:"password" maxLength:"1024" doc:"The account's password: a stolen access token alone cannot delete the account"`
}

func (s *service) deleteMe(ctx context.Context, in *deleteMeRequest) (*struct{}, error) {
	caller := auth.CallerOf(ctx)
	err := s.deleteAccount(ctx, caller, in.Body.Password, in.Conditional)
	s.auditRefusal(ctx, "delete_account", caller.UserID, err)
	return nil, err
}

type changePasswordRequest struct {
	Body postPasswordInBody
}

// postPasswordInBody is named after its schema in the API document.
type postPasswordInBody struct {
	Current string `json:"current_password" format:"password" maxLength:"1024"`
	New     string `json:"new_password" format:"password" maxLength:"1024"`
}

func (s *service) changeMyPassword(ctx context.Context, in *changePasswordRequest) (*tokenResponse, error) {
	caller := auth.CallerOf(ctx)
	tokens, err := s.changePassword(ctx, caller, in.Body.Current, in.Body.New)
	if err != nil {
		s.auditRefusal(ctx, "change_password", caller.UserID, err)
		return nil, err
	}
	return &tokenResponse{CacheControl: "no-store", SetCookie: deviceCookieOf(tokens.DeviceToken), Body: tokens}, nil
}

type getUserRequest struct {
	httpapi.ConditionalGet
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
	return responseOf(a), nil
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

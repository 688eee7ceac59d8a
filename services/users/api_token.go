package users

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/services/users/internal/device"
)

// tokenForm is a token request of OAuth 2.0 (RFC 6749, sections 4.3 and 6). Unknown
// fields are ignored, and so is client_id: there are no registered clients, so it proves
// nothing.
type tokenForm struct {
	_            struct{} `additionalProperties:"true"`
	GrantType    string   `json:"grant_type,omitempty" doc:"password (the default) or refresh_token"`
	Username     string   `json:"username,omitempty" doc:"The e-mail address" example:"ada@example.com"`
	Password     string   `json:"password,omitempty" format:"password"`
	NewPassword  string   `json:"new_password,omitempty" format:"password" maxLength:"1024" doc:"Only after the error password_change_required: the password to set"`
	DeviceToken  string   `json:"device_token,omitempty" maxLength:"200" doc:"The device_token of an earlier sign-in on this device, so that failed attempts of others do not count here. Browsers may send the cookie troupe_device instead"`
	RefreshToken string   `json:"refresh_token,omitempty"`
}

// deviceCookie has the path of POST /token, where alone it is read. SameSite keeps it out
// of the requests of other sites; and as it authenticates no one, nothing can be done
// with it there either.
const deviceCookie = "troupe_device"

type issueTokenRequest struct {
	ForwardedFor string    `header:"X-Forwarded-For" hidden:"true"`
	Device       string    `cookie:"troupe_device" hidden:"true"`
	Body         tokenForm `contentType:"application/x-www-form-urlencoded"`
}

type tokenView struct {
	AccessToken  string `json:"access_token" doc:"A JWT, for the header Authorization: Bearer"`
	TokenType    string `json:"token_type" enum:"bearer"`
	ExpiresIn    int    `json:"expires_in" doc:"Lifetime of the access token in seconds" example:"600"`
	RefreshToken string `json:"refresh_token" doc:"Valid for one use, which returns the next one"`
	DeviceToken  string `json:"device_token,omitempty" doc:"Only after a sign-in with a password or a new password: keep it, and send it with the next one on this device. It authenticates no one"`
}

type tokenResponse struct {
	CacheControl string `header:"Cache-Control"`
	SetCookie    string `header:"Set-Cookie" hidden:"true"`
	Body         tokenView
}

var (
	errGrantType      = fault.New(fault.Malformed, "unsupported_grant_type", "the grant_type is not supported; send password or refresh_token")
	errNoCredentials  = fault.New(fault.Malformed, "invalid_request", "send the fields username and password")
	errNoRefreshToken = fault.New(fault.Malformed, "invalid_request", "send the field refresh_token")
)

func (s *service) issueToken(ctx context.Context, in *issueTokenRequest) (*tokenResponse, error) {
	tokens, err := s.token(ctx, in)
	if err != nil {
		return nil, err
	}
	return &tokenResponse{CacheControl: "no-store", SetCookie: deviceCookieOf(tokens.DeviceToken), Body: tokens}, nil
}

// deviceCookieOf returns the cookie of a known device; "" if there is no new token.
func deviceCookieOf(token string) string {
	if token == "" {
		return ""
	}
	cookie := http.Cookie{
		Name: deviceCookie, Value: token, Path: "/token", MaxAge: int(device.Lifetime.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	return cookie.String()
}

func (s *service) token(ctx context.Context, in *issueTokenRequest) (tokenView, error) {
	form := in.Body
	switch form.GrantType {
	case "", "password":
		if form.Username == "" || form.Password == "" {
			return tokenView{}, errNoCredentials
		}
		given := credentials{email: form.Username, password: form.Password, replacement: form.NewPassword}
		tokens, err := s.signIn(ctx, given, client{address: s.clientAddress(in.ForwardedFor), device: cmp.Or(form.DeviceToken, in.Device)})
		s.auditSignIn(ctx, form.Username, err)
		return tokens, err
	case "refresh_token":
		if form.RefreshToken == "" {
			return tokenView{}, errNoRefreshToken
		}
		return s.refresh(ctx, form.RefreshToken)
	}
	return tokenView{}, errGrantType
}

// clientAddress returns the last address in X-Forwarded-For, which the gateway added.
// A client may have forged the addresses before it.
func (s *service) clientAddress(forwardedFor string) string {
	if !s.TrustForwardedFor {
		return ""
	}
	return forwardedFor[strings.LastIndexByte(forwardedFor, ',')+1:]
}

func (s *service) logOut(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, s.signOut(ctx, auth.CallerOf(ctx))
}

type jwksResponse struct {
	CacheControl string `header:"Cache-Control"`
	Body         json.RawMessage
}

func (s *service) getJWKS(context.Context, *struct{}) (*jwksResponse, error) {
	return &jwksResponse{CacheControl: "public, max-age=300", Body: s.signer.JWKS()}, nil
}

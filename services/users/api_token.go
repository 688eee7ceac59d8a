package users

import (
	"context"
	"encoding/json"
	"strings"

	"troupe/platform/auth"
	"troupe/platform/fault"
)

// tokenForm is a token request of OAuth 2.0 (RFC 6749, sections 4.3 and 6). Unknown
// fields are ignored.
type tokenForm struct {
	_            struct{} `additionalProperties:"true"`
	GrantType    string   `json:"grant_type,omitempty" doc:"password (the default) or refresh_token"`
	Username     string   `json:"username,omitempty" doc:"The e-mail address" example:"ada@example.com"`
	Password     string   `json:"password,omitempty" format:"password"`
	RefreshToken string   `json:"refresh_token,omitempty"`
}

type issueTokenRequest struct {
	ForwardedFor string    `header:"X-Forwarded-For" hidden:"true"`
	Body         tokenForm `contentType:"application/x-www-form-urlencoded"`
}

type tokenView struct {
	AccessToken  string `json:"access_token" doc:"A JWT, for the header Authorization: Bearer"`
	TokenType    string `json:"token_type" enum:"bearer"`
	ExpiresIn    int    `json:"expires_in" doc:"Lifetime of the access token in seconds" example:"600"`
	RefreshToken string `json:"refresh_token" doc:"Valid for one use, which returns the next one"`
}

type tokenResponse struct {
	CacheControl string `header:"Cache-Control"`
	Body         tokenView
}

var (
	errGrantType      = fault.New(fault.Malformed, "unsupported_grant_type", "the grant_type is not supported; send password or refresh_token")
	errNoCredentials  = fault.New(fault.Invalid, "invalid_request", "send the fields username and password")
	errNoRefreshToken = fault.New(fault.Invalid, "invalid_request", "send the field refresh_token")
)

func (s *service) issueToken(ctx context.Context, in *issueTokenRequest) (*tokenResponse, error) {
	tokens, err := s.token(ctx, in)
	if err != nil {
		return nil, err
	}
	return &tokenResponse{CacheControl: "no-store", Body: tokens}, nil
}

func (s *service) token(ctx context.Context, in *issueTokenRequest) (tokenView, error) {
	form := in.Body
	switch form.GrantType {
	case "", "password":
		if form.Username == "" || form.Password == "" {
			return tokenView{}, errNoCredentials
		}
		return s.signIn(ctx, form.Username, form.Password, s.clientAddress(in.ForwardedFor))
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

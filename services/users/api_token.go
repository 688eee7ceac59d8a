package users

import (
	"context"
	"encoding/json"
	"strings"

	"troupe/platform/fault"
)

// tokenForm is a request of OAuth 2.0 (RFC 6749, sections 4.3 and 6), of which
// unknown fields are ignored.
type tokenForm struct {
	_            struct{} `additionalProperties:"true"`
	GrantType    string   `json:"grant_type,omitempty" doc:"password (unless told) or refresh_token"`
	Username     string   `json:"username,omitempty" doc:"The e-mail address" example:"ada@example.com"`
	Password     string   `json:"password,omitempty" format:"password"`
	RefreshToken string   `json:"refresh_token,omitempty"`
}

type postTokenIn struct {
	ForwardedFor string    `header:"X-Forwarded-For" hidden:"true"`
	Body         tokenForm `contentType:"application/x-www-form-urlencoded"`
}

type tokenView struct {
	AccessToken  string `json:"access_token" doc:"A JWT, to be sent as Authorization: Bearer"`
	TokenType    string `json:"token_type" enum:"bearer"`
	ExpiresIn    int    `json:"expires_in" doc:"Seconds the access token is good for" example:"600"`
	RefreshToken string `json:"refresh_token" doc:"Good for one use, which gives the next"`
}

type tokenOut struct {
	CacheControl string `header:"Cache-Control"`
	Body         tokenView
}

var (
	errGrantType = fault.New(fault.Malformed, "unsupported_grant_type", "the grant_type must be password or refresh_token")
	errNoLogin   = fault.New(fault.Invalid, "invalid_request", "send the fields username and password")
	errNoRefresh = fault.New(fault.Invalid, "invalid_request", "send the field refresh_token")
)

func (s *service) postToken(ctx context.Context, in *postTokenIn) (*tokenOut, error) {
	tokens, err := s.token(ctx, in)
	if err != nil {
		return nil, err
	}
	return &tokenOut{CacheControl: "no-store", Body: tokens}, nil
}

func (s *service) token(ctx context.Context, in *postTokenIn) (tokenView, error) {
	form := in.Body
	switch form.GrantType {
	case "", "password":
		if form.Username == "" || form.Password == "" {
			return tokenView{}, errNoLogin
		}
		return s.signIn(ctx, form.Username, form.Password, s.clientAddress(in.ForwardedFor))
	case "refresh_token":
		if form.RefreshToken == "" {
			return tokenView{}, errNoRefresh
		}
		return s.refresh(ctx, form.RefreshToken)
	}
	return tokenView{}, errGrantType
}

// clientAddress is the last of the addresses forwarded for: the one that the
// gateway saw. Whatever stands before it anybody may have made up.
func (s *service) clientAddress(forwardedFor string) string {
	if !s.TrustForwardedFor {
		return ""
	}
	return forwardedFor[strings.LastIndexByte(forwardedFor, ',')+1:]
}

func (s *service) postLogout(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, s.signOut(ctx, callerOf(ctx))
}

type jwksOut struct {
	CacheControl string `header:"Cache-Control"`
	Body         json.RawMessage
}

func (s *service) getJWKS(context.Context, *struct{}) (*jwksOut, error) {
	return &jwksOut{CacheControl: "public, max-age=300", Body: s.signer.JWKS()}, nil
}

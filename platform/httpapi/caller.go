package httpapi

import (
	"net/http"
	"strings"

	"troupe/platform/auth"
	"troupe/platform/fault"
)

// ErrTokenMissing refuses who has to say who they are.
var ErrTokenMissing = fault.New(fault.Unauthenticated, "token_missing",
	"this needs an access token; get one from POST /token and send it as \"Authorization: Bearer <token>\"")

var errBadHeader = fault.New(fault.Unauthenticated, "authorization_malformed",
	"send exactly one Authorization header of the form \"Bearer <token>\"")

// RoleRequired refuses who has not the role.
func RoleRequired(role auth.Role) error {
	return fault.New(fault.Forbidden, "role_required", "this needs the role %s", role)
}

// admit makes the caller known to the request and refuses who may not call.
func (a *API) admit(o operation, r *http.Request) (*http.Request, error) {
	if o.anonymous {
		return r, nil
	}
	token, err := BearerToken(r.Header)
	if err != nil {
		return r, err
	}
	if token == "" {
		if o.public {
			return r, nil
		}
		return r, ErrTokenMissing
	}
	if a.config.Verifier == nil {
		return r, nil
	}
	caller, err := a.config.Verifier.Verify(r.Context(), token)
	if err != nil {
		return r, err
	}
	if o.role != "" && caller.Role != o.role {
		return r, RoleRequired(o.role)
	}
	return r.WithContext(auth.WithCaller(r.Context(), caller)), nil
}

// BearerToken gives the token of a request, "" if it has no Authorization header
// at all. Fails with fault.Unauthenticated if that is anything else than a token.
func BearerToken(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, bearer) || token == "" || strings.ContainsAny(token, " \t,") {
		return "", errBadHeader
	}
	return token, nil
}

package httpapi

import (
	"net/http"
	"strings"

	"troupe/platform/auth"
	"troupe/platform/fault"
)

// ErrTokenMissing is the error of a request without an access token to an operation
// that requires one.
var ErrTokenMissing = fault.New(fault.Unauthenticated, "token_missing",
	"this needs an access token; get one from POST /token and send it as \"Authorization: Bearer <token>\"")

var errBadHeader = fault.New(fault.Unauthenticated, "authorization_malformed",
	"send exactly one Authorization header of the form \"Bearer <token>\"")

// RoleRequired returns the error of a caller who does not have the role.
func RoleRequired(role auth.Role) error {
	return fault.New(fault.Forbidden, "role_required", "this needs the role %s; sign in as a user who has it", role)
}

// authorize puts the caller into the request's context, or returns an error if the
// caller must not call the operation.
func (a *API) authorize(o operation, r *http.Request) (*http.Request, error) {
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

// BearerToken returns the token of a request, "" if it has no Authorization header
// at all. It fails with fault.Unauthenticated if the header is not one bearer token.
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

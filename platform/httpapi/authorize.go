package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"troupe/platform/ascii"
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

// authorize puts the caller, if known, into the request's context, and returns an error
// if the caller must not call the operation.
func (a *API) authorize(o operation, w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if o.anonymous {
		return r, nil
	}
	caller, err := a.identify(r)
	switch {
	case err != nil && o.public:
		if !errors.Is(err, ErrTokenMissing) {
			reportIgnoredToken(w, err)
		}
		return r, nil
	case err != nil:
		return r, err
	}
	r = r.WithContext(auth.WithCaller(r.Context(), caller))
	if o.role != "" && caller.Role != o.role {
		return r, RoleRequired(o.role)
	}
	return r, nil
}

// identify returns the caller that the request's token names.
func (a *API) identify(r *http.Request) (caller auth.Caller, err error) {
	token, err := BearerToken(r.Header)
	switch {
	case err != nil:
		return caller, err
	case token == "" || a.config.Verifier == nil:
		return caller, ErrTokenMissing
	}
	return a.config.Verifier.Verify(r.Context(), token)
}

// reportIgnoredToken lets the client of a public operation know that its token has no
// effect (RFC 6750, section 3), and the access log why. A visitor whose session has ended
// can still read what everybody may read.
func reportIgnoredToken(w http.ResponseWriter, why error) {
	if fault.Is(why, fault.Unauthenticated) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	if rec := recorderOf(w); rec != nil {
		rec.ignoredToken = fault.CodeOf(why)
	}
}

// BearerToken returns the token of a request, "" if it has no Authorization header
// at all. It fails with fault.Unauthenticated if the header is not one bearer token.
func BearerToken(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ") // any number of them is allowed (RFC 9110, section 11.4)
	if len(values) > 1 || !ascii.EqualFold(scheme, bearer) || token == "" || strings.ContainsAny(token, " \t,") {
		return "", errBadHeader
	}
	return token, nil
}

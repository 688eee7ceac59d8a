package httpapi

import (
	"net/http"
	"strings"

	"troupe/platform/auth"
	"troupe/platform/fault"
)

var (
	errNoToken = fault.New(fault.Unauthenticated, "token_missing",
		"this needs an access token; get one from POST /token and send it as \"Authorization: Bearer <token>\"")
	errBadHeader = fault.New(fault.Unauthenticated, "authorization_malformed",
		"send exactly one Authorization header of the form \"Bearer <token>\"")
)

// admit makes the caller known to the request and refuses who may not call.
func (a *API) admit(o operation, r *http.Request) (*http.Request, error) {
	if o.anonymous {
		return r, nil
	}
	token, err := bearerToken(r.Header)
	if err != nil {
		return r, err
	}
	if token == "" {
		if o.public {
			return r, nil
		}
		return r, errNoToken
	}
	if a.config.Verifier == nil {
		return r, nil
	}
	caller, err := a.config.Verifier.Verify(r.Context(), token)
	if err != nil {
		return r, err
	}
	if o.role != "" && caller.Role != o.role {
		return r, fault.New(fault.Forbidden, "role_required", "this needs the role %s", o.role)
	}
	return r.WithContext(auth.WithCaller(r.Context(), caller)), nil
}

// bearerToken gives "" if there is no Authorization header at all.
func bearerToken(h http.Header) (string, error) {
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

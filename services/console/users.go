package console

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"troupe/platform/fault"
)

var errUsersAway = fault.New(fault.Unavailable, "users_unavailable", "the users service, which signs admins in, does not answer; try again when it runs")

// tokens are those of a session.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Device  string `json:"device_token"` // only of a sign-in with a password
}

// asking is what a request to users carries beside its path.
type asking struct {
	authorization string // "": anonymous
	forwardedFor  string // the addresses of the client, for the throttling of sign-ins
	form          url.Values
}

func passwordForm(email, password, device string) url.Values {
	form := url.Values{"grant_type": {"password"}, "username": {email}, "password": {password}}
	if device != "" && len(device) <= 200 { // users refuses longer ones
		form.Set("device_token", device)
	}
	return form
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// askForTokens sends a token request.
func (c *console) askForTokens(ctx context.Context, forwardedFor string, form url.Values) (t tokens, err error) {
	err = c.askUsers(ctx, http.MethodPost, "/token", asking{forwardedFor: forwardedFor, form: form}, &t)
	return t, err
}

// askUsers sends a request to users and decodes its answer into out, which may be nil. What
// users refuses is a fault with its code and its sentence.
func (c *console) askUsers(ctx context.Context, method, path string, a asking, out any) error {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.Peers["users"]+path, strings.NewReader(a.form.Encode()))
	if err != nil {
		return errUsersAway.WithCause(err)
	}
	if a.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range map[string]string{"Authorization": a.authorization, "X-Forwarded-For": a.forwardedFor} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	response, err := c.Transport.RoundTrip(r)
	if err != nil {
		return errUsersAway.WithCause(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, peerAnswer))
	if err != nil {
		return errUsersAway.WithCause(err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return refusalOf(response.StatusCode, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return errUsersAway.WithCause(err)
	}
	return nil
}

// refusalOf returns what users has answered as an error of the console.
func refusalOf(status int, answer []byte) error {
	var problem struct{ Code, Detail string }
	if json.Unmarshal(answer, &problem) != nil || problem.Detail == "" || status >= http.StatusInternalServerError {
		return errUsersAway
	}
	return fault.New(kindOfStatus(status), problem.Code, "%s", problem.Detail)
}

// Package client calls Troupe's public API, as any program from outside may. An error
// response of the API is returned as a *Problem.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client calls one base URL as one user, or without a token as an anonymous caller.
type Client struct {
	Base   string // URL without a slash at the end
	token  string // "": anonymous
	device string // token of the known device; "": none
	// refresh is the token that continues the session; "": none
	refresh string
	key     string // Idempotency-Key of every request; "": none
	http    *http.Client
}

// New returns an anonymous client of the API at base.
func New(base string) *Client {
	return &Client{Base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: 10 * time.Second}}
}

// Token returns the access token it calls with; "" if it is anonymous.
func (c *Client) Token() string { return c.token }

// DeviceToken returns the token that the sign-in returned, to be kept for the next
// sign-in on this device; "" if there was none.
func (c *Client) DeviceToken() string { return c.device }

// RefreshToken returns the token that continues the session of a sign-in, and can be used
// once; "" if there was no sign-in.
func (c *Client) RefreshToken() string { return c.refresh }

// WithToken returns a client that calls with an access token.
func (c *Client) WithToken(token string) *Client {
	return &Client{Base: c.Base, token: token, http: c.http}
}

// WithBase returns a client that calls another base URL as the same user.
func (c *Client) WithBase(base string) *Client {
	return &Client{Base: strings.TrimSuffix(base, "/"), token: c.token, http: c.http}
}

// WithIdempotencyKey returns a client for one request of the same user, which can be
// sent again under the same key and takes effect once.
func (c *Client) WithIdempotencyKey(key string) *Client {
	return &Client{Base: c.Base, token: c.token, key: key, http: c.http}
}

// Problem is an error response (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s", p.Status, cmp.Or(p.Detail, p.Title))
}

// Get decodes the response for path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, out)
}

// Delete deletes what is at path.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.do(ctx, http.MethodDelete, path, "", nil, nil)
}

// Post sends in as JSON (nil: no body) and decodes the response into out (nil: not at all).
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	if in == nil {
		return c.do(ctx, http.MethodPost, path, "", nil, out)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, "application/json", body, out)
}

// Put sends in as JSON and decodes the response into out (nil: not at all).
func (c *Client) Put(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPut, path, "application/json", body, out)
}

// Register creates an account and returns a client that calls as its user.
func (c *Client) Register(ctx context.Context, email, password, name string) (*Client, error) {
	account := map[string]string{"email": email, "password": password, "name": name}
	if err := c.Post(ctx, "/users", account, nil); err != nil {
		return nil, fmt.Errorf("register %s: %w", email, err)
	}
	return c.Login(ctx, email, password)
}

// Login returns a client that calls as the user.
func (c *Client) Login(ctx context.Context, email, password string) (*Client, error) {
	return c.SignIn(ctx, SignIn{Email: email, Password: password})
}

// SignIn is what a user sends to sign in.
type SignIn struct {
	Email, Password string
	// NewPassword is the password to set after the problem password_change_required; or "".
	NewPassword string
	// DeviceToken is that of an earlier sign-in on this device, so that failed attempts of
	// others do not delay this one; or "".
	DeviceToken string
}

// SignIn returns a client that calls as the user.
func (c *Client) SignIn(ctx context.Context, s SignIn) (*Client, error) {
	form := url.Values{"grant_type": {"password"}, "username": {s.Email}, "password": {s.Password}}
	for name, value := range map[string]string{"new_password": s.NewPassword, "device_token": s.DeviceToken} {
		if value != "" {
			form.Set(name, value)
		}
	}
	var token struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		DeviceToken  string `json:"device_token"`
	}
	err := c.do(ctx, http.MethodPost, "/token", "application/x-www-form-urlencoded", []byte(form.Encode()), &token)
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", s.Email, err)
	}
	return &Client{Base: c.Base, token: token.AccessToken, device: token.DeviceToken, refresh: token.RefreshToken, http: c.http}, nil
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.key != "" {
		request.Header.Set("Idempotency-Key", c.key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("is the system running? %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return problem(response, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// problem returns the problem document of a response, or one with its status only.
func problem(response *http.Response, body []byte) error {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Status == 0 {
		p = &Problem{Status: response.StatusCode, Title: http.StatusText(response.StatusCode)}
	}
	return p
}

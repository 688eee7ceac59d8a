// Package client calls Troupe's public API, as any program outside would. A
// refusal comes back as a *Problem.
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

// Client calls one base URL as one user. The zero token calls as nobody.
type Client struct {
	Base  string
	token string
	key   string // of idempotency
	http  *http.Client
}

// New makes a client of the API at base.
func New(base string) *Client {
	return &Client{Base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: 10 * time.Second}}
}

// Token is the access token it calls with, "" as nobody.
func (c *Client) Token() string { return c.token }

// WithBase is the same user calling another base URL.
func (c *Client) WithBase(base string) *Client {
	return &Client{Base: strings.TrimSuffix(base, "/"), token: c.token, http: c.http}
}

// WithIdempotencyKey is the same user sending one request, which may be sent again under the
// same key and takes effect once.
func (c *Client) WithIdempotencyKey(key string) *Client {
	return &Client{Base: c.Base, token: c.token, key: key, http: c.http}
}

// Problem is a refusal (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s", p.Status, cmp.Or(p.Detail, p.Title))
}

// Get reads path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, out)
}

// Post sends in as JSON (nil for no body) and reads the answer into out (nil to drop it).
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

// Put sends in as JSON and reads the answer into out (nil to drop it).
func (c *Client) Put(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPut, path, "application/json", body, out)
}

// Register makes an account and gives a client that calls as its user.
func (c *Client) Register(ctx context.Context, email, password, name string) (*Client, error) {
	account := map[string]string{"email": email, "password": password, "name": name}
	if err := c.Post(ctx, "/users", account, nil); err != nil {
		return nil, fmt.Errorf("register %s: %w", email, err)
	}
	return c.Login(ctx, email, password)
}

// Login gives a client that calls as the user.
func (c *Client) Login(ctx context.Context, email, password string) (*Client, error) {
	form := url.Values{"grant_type": {"password"}, "username": {email}, "password": {password}}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	err := c.do(ctx, http.MethodPost, "/token", "application/x-www-form-urlencoded", []byte(form.Encode()), &token)
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", email, err)
	}
	return &Client{Base: c.Base, token: token.AccessToken, http: c.http}, nil
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

func problem(response *http.Response, body []byte) error {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Status == 0 {
		p = &Problem{Status: response.StatusCode, Title: http.StatusText(response.StatusCode)}
	}
	return p
}

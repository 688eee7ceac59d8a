package servicetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// Client calls the service's API.
type Client struct {
	url    string
	header http.Header
}

// Anonymous calls without a token.
func (h *Harness) Anonymous() *Client { return &Client{url: h.URL, header: http.Header{}} }

// As calls with a valid token of that user, role and session "session-"+userID.
func (h *Harness) As(userID string, role auth.Role) *Client {
	caller := auth.Caller{UserID: userID, Role: role, SessionID: "session-" + userID, Expires: h.Now().Add(10 * time.Minute)}
	token, err := h.signer.Sign(caller, h.ids.New(), h.Now())
	if err != nil {
		panic("sign a test token: " + err.Error())
	}
	return h.Anonymous().With("Authorization", "Bearer "+token)
}

// Token returns the access token it calls with.
func (c *Client) Token() string { return strings.TrimPrefix(c.header.Get("Authorization"), "Bearer ") }

// With sends a header with every call of the copy it returns.
func (c *Client) With(header, value string) *Client {
	with := &Client{url: c.url, header: c.header.Clone()}
	with.header.Set(header, value)
	return with
}

// Get calls GET.
func (c *Client) Get(t *testing.T, path string) *Response {
	t.Helper()
	return c.do(t, http.MethodGet, path, nil)
}

// Post calls POST. body: nil for none, a string is sent as it is (as
// application/json unless With sets another type), anything else as JSON.
func (c *Client) Post(t *testing.T, path string, body any) *Response {
	t.Helper()
	return c.do(t, http.MethodPost, path, body)
}

// Put calls PUT; see Post.
func (c *Client) Put(t *testing.T, path string, body any) *Response {
	t.Helper()
	return c.do(t, http.MethodPut, path, body)
}

// Patch calls PATCH; see Post.
func (c *Client) Patch(t *testing.T, path string, body any) *Response {
	t.Helper()
	return c.do(t, http.MethodPatch, path, body)
}

// Delete calls DELETE.
func (c *Client) Delete(t *testing.T, path string) *Response {
	t.Helper()
	return c.do(t, http.MethodDelete, path, nil)
}

// DeleteWith calls DELETE with a body; see Post.
func (c *Client) DeleteWith(t *testing.T, path string, body any) *Response {
	t.Helper()
	return c.do(t, http.MethodDelete, path, body)
}

func (c *Client) do(t *testing.T, method, path string, body any) *Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.url+path, reader(t, body))
	require.NoError(t, err)
	request.Header = c.header.Clone()
	if body != nil && request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return &Response{Status: response.StatusCode, Body: read, header: response.Header}
}

func reader(t *testing.T, body any) io.Reader {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return http.NoBody
	case string:
		return strings.NewReader(b)
	}
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	return bytes.NewReader(encoded)
}

// Response is a response of the service.
type Response struct {
	Status int
	Body   []byte
	header http.Header
}

// Header returns a header of the response.
func (a *Response) Header(name string) string { return a.header.Get(name) }

// Headers returns all values of a header of the response.
func (a *Response) Headers(name string) []string { return a.header.Values(name) }

// Want requires a status and JSON values by dotted path ("items.0.sku", "total.amount").
// Numbers compare by value; nil requires that there is nothing at the path.
func (a *Response) Want(t *testing.T, status int, pathsAndValues ...any) *Response {
	t.Helper()
	require.Equal(t, status, a.Status, "answer: %s", a.Body)
	for i := 0; i < len(pathsAndValues); i += 2 {
		path := pathsAndValues[i].(string)
		encoded, err := json.Marshal(pathsAndValues[i+1])
		require.NoError(t, err)
		var want any
		require.NoError(t, json.Unmarshal(encoded, &want))
		got, _ := a.at(t, path)
		require.Equal(t, want, got, "%s of %s", path, a.Body)
	}
	return a
}

// Problem requires a problem document with this status and code.
func (a *Response) Problem(t *testing.T, status int, code string) *Response {
	t.Helper()
	require.Equal(t, status, a.Status, "answer: %s", a.Body)
	require.Equal(t, "application/problem+json", a.Header("Content-Type"))
	return a.Want(t, status, "status", status, "code", code)
}

// Field returns the string at a dotted path. It fails the test if there is none.
func (a *Response) Field(t *testing.T, path string) string {
	t.Helper()
	value, ok := a.at(t, path)
	require.True(t, ok, "no %s in %s", path, a.Body)
	text, ok := value.(string)
	require.True(t, ok, "%s is no string in %s", path, a.Body)
	return text
}

// JSON decodes the body.
func (a *Response) JSON(t *testing.T, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.Body, into), "answer: %s", a.Body)
}

func (a *Response) at(t *testing.T, path string) (any, bool) {
	t.Helper()
	var value any
	a.JSON(t, &value)
	for part := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, value != nil
}

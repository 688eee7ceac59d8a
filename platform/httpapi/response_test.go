package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
)

func TestEveryKindOfFaultHasItsStatus(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]struct {
		status int
		code   string
		detail string
	}{
		"malformed":       {400, "odd", "odd"},
		"invalid":         {422, "sku_unknown", "no such sku"},
		"unauthenticated": {401, "bad_password", "try again"},
		"forbidden":       {403, "not_yours", "not yours"},
		"missing":         {404, "order_not_found", "no such order"},
		"conflict":        {409, "order_shipped", "too late"},
		"large":           {413, "too_large", "too large"},
		"unsupported":     {415, "unsupported", "unsupported"},
		"throttled":       {429, "throttled", "slow down"},
		"unavailable":     {503, "down", "try later"},
		"internal":        {500, "internal", "internal error"},
		"unknown":         {500, "internal", "internal error"},
		"panic":           {500, "internal", "internal error"},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			w := s.send(t, "GET /orders/"+id, "", "Authorization", "Bearer "+s.token(t, auth.User))
			p := requireProblem(t, w)
			require.Equal(t, want.status, w.Code)
			require.Equal(t, want.code, p.Code)
			require.Equal(t, want.detail, p.Detail)
			require.NotContains(t, w.Body.String(), "fire")
		})
	}
}

func TestAProblemNamesThePlaceAndWhenToRetry(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	bearer := []string{"Authorization", "Bearer " + s.token(t, auth.User)}

	invalid := requireProblem(t, s.send(t, "GET /orders/invalid", "", bearer...))
	require.Equal(t, "body.items[0].sku", invalid.Errors[0].Location)
	require.Equal(t, "unknown", invalid.Errors[0].Message)

	require.Equal(t, "2", s.send(t, "GET /orders/throttled", "", bearer...).Header().Get("Retry-After"))
	require.Equal(t, "1", s.send(t, "GET /orders/unavailable", "", bearer...).Header().Get("Retry-After"))
	require.Empty(t, s.send(t, "GET /orders/conflict", "", bearer...).Header().Get("Retry-After"))
	require.Equal(t, "Bearer", s.send(t, "GET /orders/unauthenticated", "", bearer...).Header().Get("WWW-Authenticate"))
}

func TestOperationsCheckTheCallersTokenAndRole(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	user, admin := "Bearer "+s.token(t, auth.User), "Bearer "+s.token(t, auth.Admin)
	const one = `{"items":[{"sku":"book","quantity":1}]}`
	const login = "username=ada&password=x"
	for name, c := range map[string]struct {
		request, body string
		tokens        []string
		status        int
		code          string
	}{
		"a caller":                           {"GET /orders/1", "", []string{user}, 200, ""},
		"a scheme in lower case":             {"GET /orders/1", "", []string{"bearer" + user[6:]}, 200, ""},
		"no token":                           {"GET /orders/1", "", nil, 401, "token_missing"},
		"a bad token":                        {"GET /orders/1", "", []string{"Bearer x.y.z"}, 401, "token_invalid"},
		"another scheme":                     {"GET /orders/1", "", []string{"Basic " + user[7:]}, 401, "authorization_malformed"},
		"a scheme alone":                     {"GET /orders/1", "", []string{"Bearer"}, 401, "authorization_malformed"},
		"an empty header":                    {"GET /orders/1", "", []string{""}, 401, "authorization_malformed"},
		"two tokens":                         {"GET /orders/1", "", []string{user + " " + user[7:]}, 401, "authorization_malformed"},
		"two headers":                        {"GET /orders/1", "", []string{user, user}, 401, "authorization_malformed"},
		"a user for an admin operation":      {"DELETE /orders/1", "", []string{user}, 403, "role_required"},
		"an admin for an admin operation":    {"DELETE /orders/1", "", []string{admin}, 204, ""},
		"no token for an admin operation":    {"DELETE /orders/1", "", nil, 401, "token_missing"},
		"no token for a public operation":    {place, one, nil, 201, ""},
		"a caller of a public operation":     {place, one, []string{user}, 201, ""},
		"a bad token for a public operation": {place, one, []string{"Bearer x"}, 201, ""},
		"a token in the query":               {"GET /orders/1?access_token=" + user[7:], "", nil, 401, "token_missing"},
		"a bad token at sign-in":             {"POST /token", login, []string{"Bearer x"}, 200, ""},
		"two headers at sign-in":             {"POST /token", login, []string{user, "Basic"}, 200, ""},
		"a bad token with a malformed body":  {"DELETE /orders/1", "{", []string{"Bearer x"}, 401, "token_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			if c.request == "POST /token" {
				headers = []string{"Content-Type", form}
			}
			for _, token := range c.tokens {
				headers = append(headers, "Authorization", token)
			}
			w := s.send(t, c.request, c.body, headers...)
			require.Equal(t, c.status, w.Code, w.Body)
			if c.code != "" {
				require.Equal(t, c.code, requireProblem(t, w).Code)
			}
			if c.status == http.StatusUnauthorized {
				require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			}
		})
	}
	require.Contains(t, s.send(t, place, one, "Authorization", admin).Body.String(), `"user":"u1","role":"admin"`)
	require.Contains(t, s.send(t, place, one).Body.String(), `"user":"","role":""`)
}

func TestPlainHandlersAnswerWithProblemsToo(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	httpapi.WriteProblem(w, r, fault.New(fault.NotFound, "", "not here"))
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Contains(t, w.Body.String(), `"type":"about:blank"`)

	w = httptest.NewRecorder()
	httpapi.WriteProblem(w, r, errors.Join(errors.New("wrapped"), fault.New(fault.Conflict, "taken", "taken")))
	require.Equal(t, http.StatusConflict, w.Code)
}

func TestACursorLeadsToTheNextPage(t *testing.T) {
	t.Parallel()
	rows := []string{"a", "b", "c", "d"}
	key, item := func(row string) string { return row }, strings.ToUpper
	q := httpapi.PageQuery{Limit: 2}
	after, err := q.After()
	require.NoError(t, err)
	require.Empty(t, after)
	first := httpapi.PageOf(q, rows[:q.Fetch()], key, item)
	require.Equal(t, []string{"A", "B"}, first.Items)

	q.Cursor = first.NextCursor
	after, err = q.After()
	require.NoError(t, err)
	require.Equal(t, "b", after)
	last := httpapi.PageOf(q, rows[2:], key, item)
	require.Equal(t, httpapi.Page[string]{Items: []string{"C", "D"}}, last)

	q.Cursor = "MQ"
	_, err = q.After()
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestACursorIsValidOnlyInItsOwnList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var page struct {
		NextCursor string `json:"next_cursor"`
	}
	first := s.send(t, "GET /books?limit=1", "")
	require.NoError(t, json.Unmarshal(first.Body.Bytes(), &page))
	require.Contains(t, s.send(t, "GET /books?limit=5&cursor="+page.NextCursor, "").Body.String(), `"id":"b"`)

	inAnotherList := s.send(t, "GET /maps?cursor="+page.NextCursor, "")
	require.Equal(t, http.StatusUnprocessableEntity, inAnotherList.Code)
	require.Equal(t, "cursor_invalid", requireProblem(t, inAnotherList).Code)
	require.Equal(t, "cursor_invalid", requireProblem(t, s.send(t, "GET /books?cursor="+httpapi.EncodeCursor("a"), "")).Code)
}

func TestACursorDecodesToItsKey(t *testing.T) {
	t.Parallel()
	for _, key := range [][]string{{""}, {"2026", "0190-a"}, {"a\"b", "ü", ","}} {
		got, err := httpapi.DecodeCursor(httpapi.EncodeCursor(key...), len(key))
		require.NoError(t, err)
		require.Equal(t, key, got)
	}
	none, err := httpapi.DecodeCursor("", 2)
	require.NoError(t, err)
	require.Nil(t, none)
	for name, cursor := range map[string]string{
		"other parts":    httpapi.EncodeCursor("a"),
		"no base64":      "%%%",
		"no list":        "MQ",
		"null":           "bnVsbA",
		"a null in text": httpapi.EncodeCursor("\x00", "b"),
	} {
		_, err := httpapi.DecodeCursor(cursor, 2)
		require.True(t, fault.Is(err, fault.Invalid), name)
	}
}

func TestAPageWithoutItemsIsAnEmptyList(t *testing.T) {
	t.Parallel()
	b, err := httpapi.Page[int]{}.MarshalJSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"items":[]}`, string(b))
}

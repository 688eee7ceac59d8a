package httpapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
	"troupe/platform/httpapi"
)

type patchLamp struct {
	ID   string `path:"id"`
	Body struct {
		Colour *string `json:"colour,omitempty" maxLength:"20"`
	}
}

type lamp struct {
	Body struct {
		Colour string `json:"colour"`
	}
}

// newLampShop returns a shop whose lamps can be patched.
func newLampShop(t *testing.T) *shop {
	s := newShop(t)
	httpapi.Patch(s.api, "/lamps/{id}", func(_ context.Context, in *patchLamp) (*lamp, error) {
		out := &lamp{}
		if out.Body.Colour = "white"; in.Body.Colour != nil {
			out.Body.Colour = *in.Body.Colour
		}
		return out, nil
	}, httpapi.Public())
	httpapi.Put(s.api, "/lamps/{id}", func(context.Context, *patchLamp) (*lamp, error) { return &lamp{}, nil }, httpapi.Public())
	return s
}

func TestAPatchMayBeAMergePatch(t *testing.T) {
	t.Parallel()
	s := newLampShop(t)
	for _, contentType := range []string{"application/merge-patch+json", "Application/Merge-Patch+JSON; charset=utf8", "application/json", ""} {
		var headers []string
		if contentType != "" {
			headers = []string{"Content-Type", contentType}
		}
		w := s.send(t, "PATCH /lamps/1", `{"colour":"red"}`, headers...)
		require.Equal(t, http.StatusOK, w.Code, contentType)
		require.JSONEq(t, `{"colour":"red"}`, w.Body.String())
	}
	w := s.send(t, "PATCH /lamps/1", `{"colour":null}`, "Content-Type", "application/merge-patch+json")
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	p := requireProblem(t, w)
	require.Equal(t, "member_not_removable", p.Code)
	require.Equal(t, "body.colour", p.Errors[0].Location)
	require.Equal(t, http.StatusUnsupportedMediaType, s.send(t, "PUT /lamps/1", `{}`, "Content-Type", "application/merge-patch+json").Code)

	document, err := s.api.OpenAPI()
	require.NoError(t, err)
	require.Contains(t, string(document), `"application/merge-patch+json":{"schema"`)
}

func TestA415NamesTheTypesThatAreTaken(t *testing.T) {
	t.Parallel()
	s := newLampShop(t)
	for request, want := range map[string][2]string{
		"POST /orders":   {"Accept-Post", "application/json"},
		"POST /token":    {"Accept-Post", "application/x-www-form-urlencoded"},
		"PATCH /lamps/1": {"Accept-Patch", "application/merge-patch+json, application/json"},
		"PUT /lamps/1":   {"Accept", "application/json"},
	} {
		w := s.send(t, request, "x", "Content-Type", "text/plain")
		require.Equal(t, http.StatusUnsupportedMediaType, w.Code, request)
		require.Equal(t, want[1], w.Header().Get(want[0]), request)
	}
	w := s.send(t, "POST /orders", "x", "Content-Encoding", "gzip")
	require.Equal(t, "identity", w.Header().Get("Accept-Encoding"))
	require.Empty(t, w.Header().Get("Accept-Post"))
}

// A shop's page must not lose its catalogue because the visitor was away for ten minutes
// (encode/django-rest-framework#7736, jazzband/djangorestframework-simplejwt#182).
func TestAPublicOperationIgnoresATokenThatIsNotValid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	expired, err := s.signer.Sign(auth.Caller{UserID: "u1", Role: auth.User, SessionID: "s1", Expires: noon.Add(-time.Hour)}, "t1", noon.Add(-2*time.Hour))
	require.NoError(t, err)
	for authorization, code := range map[string]string{
		"Bearer " + expired:                       "token_expired",
		"Bearer rubbish":                          "token_invalid",
		"Basic dXNlcjpwYXNzd29yZA==":              "authorization_malformed",
		"Bearer " + s.token(t, auth.User) + "AAA": "token_invalid",
	} {
		w := s.send(t, "GET /books", "", "Authorization", authorization)
		require.Equal(t, http.StatusOK, w.Code, authorization)
		require.Equal(t, `Bearer error="invalid_token"`, w.Header().Get("WWW-Authenticate"), authorization)
		lines := s.logged(t)
		require.Equal(t, code, lines[len(lines)-1]["ignored_token"])
		require.NotContains(t, lines[len(lines)-1], "user")

		require.Equal(t, http.StatusUnauthorized, s.send(t, "GET /orders/1", "", "Authorization", authorization).Code)
	}
	w := s.send(t, "GET /books", "", "Authorization", "Bearer "+s.token(t, auth.User))
	require.Empty(t, w.Header().Get("WWW-Authenticate"))
	require.Empty(t, s.send(t, "GET /books", "").Header().Get("WWW-Authenticate"))
}

// RFC 9110, section 11.4.
func TestBlanksBetweenTheSchemeAndTheTokenHaveNoMeaning(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	token := s.token(t, auth.User)
	for _, separator := range []string{" ", "  ", "     "} {
		require.Equal(t, http.StatusOK, s.send(t, "GET /orders/1", "", "Authorization", "Bearer"+separator+token).Code)
	}
	for _, malformed := range []string{"Bearer", "Bearer ", "Bearer\t" + token, "Bearer " + token + " " + token} {
		require.Equal(t, http.StatusUnauthorized, s.send(t, "GET /orders/1", "", "Authorization", malformed).Code, malformed)
	}
}

type listPens struct {
	httpapi.PageQuery
	Colour string `query:"colour"`
	Unread bool   `query:"unread"`
}

func TestACursorIsValidOnlyWithTheFilterThatItCameFrom(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	httpapi.Get(s.api, "/pens", func(_ context.Context, in *listPens) (*orders, error) {
		_, err := in.After()
		identity := func(id string) order { return order{ID: id} }
		return &orders{httpapi.PageOf(in.PageQuery, []string{"a", "b"}, func(id string) string { return id }, identity)}, err
	}, httpapi.Public())
	cursorOf := func(query string) string {
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		decodeBody(t, s.send(t, "GET /pens?limit=1"+query, ""), &page)
		require.NotEmpty(t, page.NextCursor)
		return page.NextCursor
	}
	for _, c := range []struct {
		from, to string
		valid    bool
	}{
		{"", "", true},
		{"&colour=red", "&colour=red", true},
		{"&colour=red&unread=true", "&unread=true&colour=red&limit=2", true},
		{"", "&colour=", true},
		{"", "&colour=red", false},
		{"&colour=red", "", false},
		{"&colour=red", "&colour=blue", false},
		{"&colour=red", "&colour=red&unread=true", false},
	} {
		w := s.send(t, "GET /pens?cursor="+cursorOf(c.from)+c.to, "")
		if c.valid {
			require.Equal(t, http.StatusOK, w.Code, c)
			continue
		}
		require.Equal(t, "cursor_invalid", requireProblem(t, w).Code, c)
	}
}

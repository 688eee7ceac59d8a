package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/httpapi"
)

// newSession is a body with text of every kind.
type newSession struct {
	Body struct {
		Password string `json:"password" format:"password"`
		About    string `json:"about,omitempty" format:"multiline"`
		Title    string `json:"title,omitempty" minLength:"1"`
	}
}

// newShopWithSessions returns a shop that takes newSession at POST /sessions.
func newShopWithSessions(t *testing.T) *shop {
	s := newShop(t)
	httpapi.Post(s.api, "/sessions", func(context.Context, *newSession) (*struct{}, error) { return nil, nil }, httpapi.Public())
	return s
}

// withNote returns an order with a note, which is JSON.
func withNote(note string) string {
	return `{"items":[{"sku":"book","quantity":1}],"note":` + note + `}`
}

func TestTextWithHiddenCharactersIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, hidden := range []rune{'\a', '\n', '\r', 0x85, 0x200b, 0x2028, 0x202e, 0x2066, 0xfeff, 0xe0041} {
		text := "two " + string(hidden) + "birds"
		escaped, err := json.Marshal(text)
		require.NoError(t, err)
		notes := []string{string(escaped)}
		if hidden > '~' { // JSON has control characters only as escapes
			notes = append(notes, `"`+text+`"`)
		}
		for _, note := range notes {
			w := s.send(t, place, withNote(note))
			require.Equal(t, http.StatusUnprocessableEntity, w.Code, note)
			require.Equal(t, "body.note", requireProblem(t, w).Errors[0].Location)
		}
	}
	for _, note := range []string{`"12 St James\u0027s"`, `"👩\u200d🚀"`, `"\ud83d\ude80"`, `"\\ud800"`, `"\\\ud83d\ude80"`, `""`} {
		require.Equal(t, http.StatusCreated, s.send(t, place, withNote(note)).Code, note)
	}
}

// encoding/json replaces half of a surrogate pair without an error.
func TestHalfASurrogatePairIsRefused(t *testing.T) {
	t.Parallel()
	s := newShopWithSessions(t)
	for _, note := range []string{
		`"\ud800"`, `"\uDFFF"`, `"\ud83d"`, `"\ud83d\ud83d\ude80"`, `"\ude80\ud83d"`, `"\ud83dxude80"`, `"\ud83d\n"`, `"\\\ud83d"`, `"\ud83d\u0041"`,
	} {
		w := s.send(t, place, withNote(note))
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, note)
		require.Contains(t, requireProblem(t, w).Detail, "body.note: it has half of a surrogate pair")
	}
	w := s.send(t, "POST /sessions", `{"password":"\ud800 is half"}`)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code, "in a password too")
}

// The value that one server ignores another one uses: reports analog-nico/hpp#14 and
// tj/node-querystring#84.
func TestAQueryParameterIsSentOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, query := range []string{"limit=5&limit=50", "limit=5&limit=5", "cursor=&limit=1&cursor=x", "limit=5&%6cimit=50"} {
		w := s.send(t, "GET /orders?"+query, "")
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Equal(t, "query_repeated", requireProblem(t, w).Code)
	}
	require.Equal(t, http.StatusOK, s.send(t, "GET /orders?limit=5&", "").Code)
}

// A client whose key got lost placed its order twice: report grimurrash/test-task2#73, and
// the review of teesofttech/PayBridge#119.
func TestAnEmptyIdempotencyKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const one = `{"items":[{"sku":"book","quantity":1}]}`
	for _, keys := range [][]string{{""}, {"  "}, {"\t"}, {"a", "a"}, {"a", ""}} {
		var headers []string
		for _, key := range keys {
			headers = append(headers, "Idempotency-Key", key)
		}
		w := s.send(t, place, one, headers...)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%q", keys)
		require.Equal(t, "idempotency_key_invalid", requireProblem(t, w).Code)
	}
	require.Equal(t, http.StatusCreated, s.send(t, place, one, "Idempotency-Key", "a").Code)
	require.Equal(t, http.StatusCreated, s.send(t, place, one).Code)
}

// Some programs begin a file with a byte order mark, and send it as it is: reports
// Badgerati/Pode#1604 and n8n-io/n8n#35933.
func TestABodyMayBeginWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const mark, one = "\ufeff", `{"items":[{"sku":"book","quantity":1}]}`
	require.Equal(t, http.StatusCreated, s.send(t, place, mark+one).Code)
	require.Equal(t, http.StatusOK, s.send(t, signin, mark+"username=ann&password=x", "Content-Type", form).Code)
	require.Equal(t, http.StatusBadRequest, s.send(t, place, mark+mark+one).Code)
	require.Equal(t, http.StatusBadRequest, s.send(t, place, one+mark).Code)
}

func TestAPasswordAndTextOfSeveralLinesHaveRulesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newShopWithSessions(t)
	for body, status := range map[string]int{
		`{"password":"tab\tand \u202e \u0007"}`:        204,
		`{"password":"x","about":"first\r\n\tsecond"}`: 204,
		`{"password":"x","about":"first\u202esecond"}`: 422,
		`{"password":"x","about":"first\u0007"}`:       422,
		`{"password":"x","title":"a\nb"}`:              422,
		`{"password":"x","title":" \u00a0\u3164"}`:     422,
		`{"password":"x","title":""}`:                  422,
		`{"password":"x","title":" a"}`:                204,
	} {
		require.Equal(t, status, s.send(t, "POST /sessions", body).Code, body)
	}
}

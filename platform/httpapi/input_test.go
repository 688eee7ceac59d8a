package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

const (
	place  = "POST /orders"
	signin = "POST /token"
	form   = "application/x-www-form-urlencoded"
)

func TestInputIsAcceptedOrRefusedWithACode(t *testing.T) {
	t.Parallel()
	const one = `{"items":[{"sku":"book","quantity":1}]}`
	for name, c := range map[string]struct {
		request, body, contentType string
		status                     int
		code, contains             string // in the response
	}{
		"an order":                    {place, one, "application/json", 201, "", `"id":"book"`},
		"with a charset":              {place, one, "application/json; charset=UTF-8", 201, "", `"id":"book"`},
		"in capitals":                 {place, one, "Application/JSON", 201, "", `"id":"book"`},
		"with no type":                {place, one, "", 201, "", `"id":"book"`},
		"surrounded by spaces":        {place, " \n" + one + "\n ", "", 201, "", `"id":"book"`},
		"of another type":             {place, one, "text/plain", 415, "unsupported_media_type", "application/json"},
		"of a related type":           {place, one, "application/vnd.api+json", 415, "unsupported_media_type", ""},
		"of an unreadable type":       {place, one, "application/", 415, "unsupported_media_type", ""},
		"in another charset":          {place, one, "application/json; charset=latin1", 201, "", `"id":"book"`},
		"with utf8 for a charset":     {place, one, "application/json; charset=utf8", 201, "", `"id":"book"`},
		"with ASCII for a charset":    {place, one, "application/json;charset=\"us-ascii\"", 201, "", `"id":"book"`},
		"with an empty charset":       {place, one, "application/json; charset=", 201, "", `"id":"book"`},
		"in bytes of another charset": {place, "{\"items\":[{\"sku\":\"caf\xe9\",\"quantity\":1}]}", "application/json; charset=latin1", 400, "malformed_body", "UTF-8"},
		"a merge patch to POST":       {place, one, "application/merge-patch+json", 415, "unsupported_media_type", "application/json"},
		"as a form":                   {place, "a=b", form, 415, "unsupported_media_type", "application/json"},
		"no body":                     {place, "", "", 400, "malformed_body", "needs a body"},
		"only space":                  {place, "  ", "", 400, "malformed_body", ""},
		"cut off":                     {place, `{"items":[`, "", 400, "malformed_body", "at byte 10"},
		"text after the end":          {place, one + "x", "", 400, "malformed_body", ""},
		"two values":                  {place, one + one, "", 400, "malformed_body", ""},
		"one key twice":               {place, `{"items":[{"sku":"a","sku":"b","quantity":1}]}`, "", 400, "malformed_body", "same key twice"},
		"one key twice, escaped":      {place, `{"items":[{"sku":"a","\u0073ku":"b","quantity":1}]}`, "", 400, "malformed_body", "same key twice"},
		"colons in text":              {place, `{"items":[{"sku":"a:\":b\\","quantity":1}]}`, "", 201, "", `a:\":b\\`},
		"no UTF-8":                    {place, "{\"items\":[{\"sku\":\"\xff\",\"quantity\":1}]}", "", 400, "malformed_body", "UTF-8"},
		"a null character":            {place, `{"items":[{"sku":"a\u0000","quantity":1}]}`, "", 400, "malformed_body", "U+0000"},
		"a null character as a key":   {place, `{"\u0000":1}`, "", 400, "malformed_body", "U+0000"},
		"half a surrogate pair":       {place, `{"items":[{"sku":"\ud800","quantity":1}]}`, "", 422, "validation_failed", `"location":"body.items[0].sku"`},
		"a deep nest":                 {place, strings.Repeat("[", 20_000), "", 400, "malformed_body", "nested more than 32 deep"},
		"a deep nest that ends":       {place, strings.Repeat(`{"items":[`, 17) + strings.Repeat("]}", 17), "", 400, "malformed_body", "nested more than 32 deep"},
		"a nest of brackets in text":  {place, `{"items":[{"sku":"a","quantity":1}],"note":"` + strings.Repeat(`[\"{`, 50) + `"}`, "", 201, "", ""},
		"a nest that is not too deep": {place, strings.Repeat(`{"items":[`, 16) + strings.Repeat("]}", 16), "", 422, "validation_failed", ""},
		"null":                        {place, `null`, "", 422, "validation_failed", ""},
		"a list":                      {place, `[]`, "", 422, "validation_failed", "expected object"},
		"no items":                    {place, `{}`, "", 422, "validation_failed", "items"},
		"an unknown member":           {place, `{"items":[{"sku":"a","quantity":1}],"role":"admin"}`, "", 422, "validation_failed", `"location":"body.role"`},
		"null for a list":             {place, `{"items":null}`, "", 422, "validation_failed", "expected array"},
		"null for text":               {place, `{"items":[{"sku":null,"quantity":1}]}`, "", 422, "validation_failed", "expected string"},
		"a member in another case":    {place, `{"Items":[{"sku":"a","quantity":1}]}`, "", 422, "validation_failed", `"location":"body.Items"`},
		"an optional member, too":     {place, `{"items":[{"sku":"a","quantity":1}],"Note":"x"}`, "", 422, "validation_failed", `"location":"body.Note"`},
		"a member that folds to it":   {place, `{"item\u017f":[{"sku":"a","quantity":1}]}`, "", 422, "validation_failed", "unexpected"},
		"a rule evaded by case":       {place, `{"items":[{"sku":"a","quantity":1}],"ITEMS":[]}`, "", 400, "malformed_body", "same key twice"},
		"a rule evaded by folding":    {place, `{"items":[{"sku":"a","quantity":1}],"item\u017f":[]}`, "", 400, "malformed_body", "same key twice"},
		"a form evading by case":      {signin, "username=ann&password=x&USERNAME=", form, 200, "", `"user":"ann"`},
		"a form in another case":      {signin, "USERNAME=ann&password=x", form, 422, "validation_failed", "username"},
		"a field that folds to it":    {signin, "u%C5%BFername=ann&password=x", form, 422, "validation_failed", "username"},
		"a quantity of zero":          {place, `{"items":[{"sku":"a","quantity":0}]}`, "", 422, "validation_failed", "body.items[0].quantity"},
		"half a quantity":             {place, `{"items":[{"sku":"a","quantity":1.5}]}`, "", 422, "validation_failed", "body.items[0].quantity"},
		"a number with an exponent":   {place, `{"items":[{"sku":"a","quantity":1e2}]}`, "", 201, "", `"id":"a"`},
		"a number beyond float64":     {place, `{"items":[{"sku":"a","quantity":1e400}]}`, "", 400, "malformed_body", "1e400"},
		"a number beyond int64":       {place, `{"items":[{"sku":"a","quantity":9223372036854775808}]}`, "", 422, "validation_failed", ""},
		"text for a number":           {place, `{"items":[{"sku":"a","quantity":"1"}]}`, "", 422, "validation_failed", ""},
		"an invalid time":             {place, `{"items":[{"sku":"a","quantity":1}],"due":"tomorrow"}`, "", 422, "validation_failed", "body.due"},
		"the largest body":            {place, one + strings.Repeat(" ", 32<<10-len(one)), "", 201, "", `"id":"book"`},
		"one byte more":               {place, one + strings.Repeat(" ", 32<<10-len(one)+1), "", 413, "body_too_large", "32768"},
		"a form over the default":     {signin, "username=" + strings.Repeat("x", 16<<10), form, 413, "body_too_large", "16384"},
		"a form":                      {signin, "username=ann&password=x", form, 200, "", `"user":"ann"`},
		"a form with a charset":       {signin, "username=ann&password=x", form + "; charset=utf-8", 200, "", `"user":"ann"`},
		"a form in capitals":          {signin, "username=ann&password=x", "Application/X-WWW-Form-Urlencoded", 200, "", `"user":"ann"`},
		"a form with more fields":     {signin, "username=ann&password=x&grant_type=password&scope=", form, 200, "", `"user":"ann"`},
		"a form with escapes":         {signin, "username=a%2Bb%40c+d&password=%C3%A9", form, 200, "", `"user":"a+b@c d"`},
		"JSON instead of a form":      {signin, `{}`, "application/json", 415, "unsupported_media_type", form},
		"a form with a field twice":   {signin, "username=a&username=b&password=x", form, 400, "malformed_body", "twice"},
		"a form without a field":      {signin, "username=a", form, 422, "validation_failed", "password"},
		"a form with bad escapes":     {signin, "username=%zz&password=x", form, 400, "malformed_body", ""},
		"a form that is no UTF-8":     {signin, "username=%ff&password=x", form, 400, "malformed_body", "UTF-8"},
		"a form with a null":          {signin, "username=%00&password=x", form, 400, "malformed_body", "U+0000"},
		"an empty form":               {signin, "", form, 400, "malformed_body", "needs a body"},
		"the list":                    {"GET /orders?limit=5", "", "", 200, "", `"items":[],"next_cursor"`},
		"a list with a body":          {"GET /orders", "{", "text/plain", 200, "", ""},
		"an unknown query parameter":  {"GET /orders?utm=5", "", "", 422, "query_unknown", `"location":"query.utm"`},
		"a limit too large":           {"GET /orders?limit=101", "", "", 422, "validation_failed", `"location":"query.limit"`},
		"a limit that is no number":   {"GET /orders?limit=all", "", "", 422, "validation_failed", `"location":"query.limit"`},
		"a cursor of another list":    {"GET /orders?cursor=abc", "", "", 422, "cursor_invalid", `"location":"query.cursor"`},
		"a query with bad escapes":    {"GET /orders?limit=%zz", "", "", 400, "malformed_url", ""},
		"a query with a null":         {"GET /orders?cursor=%00", "", "", 400, "malformed_url", ""},
		"a query that is no UTF-8":    {"GET /orders?x=%ff", "", "", 400, "malformed_url", ""},
		"an unknown path":             {"GET /nowhere", "", "", 404, "route_not_found", ""},
		"another method":              {"PUT /token", "", "", 405, "method_not_allowed", "use POST"},
		"an unknown method":           {"BREW /token", "", "", 405, "method_not_allowed", "use POST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			var headers []string
			if c.contentType != "" {
				headers = []string{"Content-Type", c.contentType}
			}
			w := s.send(t, c.request, c.body, headers...)
			require.Equal(t, c.status, w.Code, w.Body)
			require.Contains(t, w.Body.String(), c.contains)
			if c.code != "" {
				require.Equal(t, c.code, requireProblem(t, w).Code)
			}
		})
	}
}

// A client that sends a body expects it to have an effect.
func TestAnUnexpectedBodyIsRefusedNotIgnored(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const cancel = "POST /orders/1/cancel"
	unexpected := []string{
		`{"reason":"late"}`, `{`, `[]`, `null`, `""`, `{}{}`, "reason=late", "\x00", "\u00a0", strings.Repeat(" ", 65), strings.Repeat("x", 2<<20),
	}
	for _, body := range unexpected {
		w := s.send(t, cancel, body)
		require.Equal(t, "body_unexpected", requireProblem(t, w).Code, body)
		require.Equal(t, http.StatusBadRequest, w.Code, body)
	}
	w := s.send(t, "DELETE /orders/1", "{", "Authorization", "Bearer "+s.token(t, auth.Admin))
	require.Equal(t, "body_unexpected", requireProblem(t, w).Code)
	require.Zero(t, s.cancelled)

	for i, body := range []string{"", "{}", " { }\r\n"} {
		require.Equal(t, http.StatusNoContent, s.send(t, cancel, body, "Content-Type", "application/json").Code, body)
		require.Equal(t, i+1, s.cancelled)
	}
}

func TestACompressedBodyIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const one = `{"items":[{"sku":"book","quantity":1}]}`
	for _, request := range []string{place, "POST /orders/1/cancel"} {
		for _, coding := range []string{"gzip", "deflate, gzip", "GZIP", "identity, gzip"} {
			w := s.send(t, request, one, "Content-Encoding", coding)
			require.Equal(t, "unsupported_encoding", requireProblem(t, w).Code, coding)
			require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
		}
	}
	for _, identity := range []string{"", "identity", "Identity"} {
		require.Equal(t, http.StatusCreated, s.send(t, place, one, "Content-Encoding", identity).Code)
	}
}

func TestHeadersThatAreNotTextAreRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := s.send(t, place, `{"items":[{"sku":"a","quantity":1}]}`, "Idempotency-Key", "\xff")
	require.Equal(t, "malformed_header", requireProblem(t, w).Code)
	require.Equal(t, http.StatusBadRequest, w.Code)
}

func TestAProblemListsFewPlacesAndRepeatsNoInput(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := s.send(t, place, `{"items":[`+strings.Repeat(`{"sku":"","quantity":0},`, 99)+`{}],"password":"hunter2"}`)
	p := requireProblem(t, w)
	require.Len(t, p.Errors, 20)
	require.Contains(t, p.Detail, "more)")
	require.NotContains(t, w.Body.String(), "hunter2")

	w = s.send(t, place, `{"`+strings.Repeat("x", 10_000)+`":1}`)
	require.Less(t, w.Body.Len(), 2000)
}

func TestA405ListsTheAllowedMethods(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.Equal(t, "GET, HEAD, POST", s.send(t, "PUT /orders", "").Header().Get("Allow"))
	require.Equal(t, "GET, HEAD, DELETE", s.send(t, "POST /orders/1", "").Header().Get("Allow"))
}

package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzNoInputCausesAServerError sends arbitrary requests: none may be answered with a
// 5xx, and every error must be a problem document.
func FuzzNoInputCausesAServerError(f *testing.F) {
	f.Add("POST", "/orders", "", "application/json", "key", `{"items":[{"sku":"a","quantity":1}],"note":"\u0073"}`)
	f.Add("POST", "/orders", "x=%41", "", "\xff", `{"items":null,"due":"2026-01-01T00:00:00Z"}`)
	f.Add("POST", "/orders", "", "", "", `{"items":[{"sku":1e400,"quantity":-0}],"ITEMS":{}}`)
	f.Add("POST", "/token", "", form, "", "username=a%00&password=%ff&grant_type=password")
	f.Add("GET", "/orders", "limit=5&cursor=WyJhIiwiYiJd", "", "", "")
	f.Add("GET", "/orders/%00/..", "limit=%zz", "text/plain", "", "{")
	f.Add("BREW", "//orders//", "", "application/json; charset=", "", "")
	s := newShop(f)
	f.Fuzz(func(t *testing.T, method, path, query, contentType, header, body string) {
		r := (&http.Request{
			Method: method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "x", ContentLength: int64(len(body)),
			URL:    &url.URL{Path: path, RawQuery: query},
			Header: http.Header{"Content-Type": {contentType}, "Idempotency-Key": {header}, "X-Request-Id": {header}, "Traceparent": {header}},
			Body:   io.NopCloser(strings.NewReader(body)),
		}).WithContext(t.Context())
		if header == "" {
			r.Header.Del("Idempotency-Key") // an empty key hides what is wrong with the rest
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		s.log.Reset()
		require.Less(t, w.Code, 500)
		if w.Code >= 400 {
			requireProblem(t, w)
		}
	})
}

package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// probe is a request as bytes. TOKEN stands for a valid token, ~ for the end of a line.
type probe struct {
	send   string
	status int
	// without is a header that must not reach the service; checked only if status is 200.
	without string
}

const (
	head  = " HTTP/1.1~Host: shop~Authorization: Bearer TOKEN~"
	plain = "GET /orders" + head
)

// probes test the path, the method and the framing. A request that is not answered with
// 200 must not have reached a service. A 400 without a problem document is net/http's.
var probes = []probe{
	// accepted
	{plain + "~", 200, ""},
	{"GET http://shop/orders" + head + "~", 200, ""},
	{"GET http://user:password@shop/orders" + head + "~", 200, ""},
	{"GET /products/caf%C3%A9" + head + "~", 200, ""},
	{"GET /products/a%20b" + head + "~", 200, ""},
	{"GET /products/a.b..c" + head + "~", 200, ""},
	{"GET /products/...." + head + "~", 200, ""},
	{"GET /products/a+b:c@d!$&'()*,=~x" + head + "~", 400, ""}, // the ~ ends the line here
	{"GET /products/a+b:c@d!$&'()*,=" + head + "~", 200, ""},
	{"GET /orders?x=%2e%2e%2f&y=../../" + head + "~", 200, ""},
	{"GET /%6Frders" + head + "~", 200, ""},
	{"HEAD /orders" + head + "~", 200, ""},

	// dot segments, plain and encoded
	{"GET /orders/../users" + head + "~", 400, ""},
	{"GET /orders/.." + head + "~", 400, ""},
	{"GET /.." + head + "~", 400, ""},
	{"GET /." + head + "~", 400, ""},
	{"GET /./orders" + head + "~", 400, ""},
	{"GET /orders/./42" + head + "~", 400, ""},
	{"GET /products/../users/42" + head + "~", 400, ""},
	{"GET /orders/%2e%2e/users" + head + "~", 400, ""},
	{"GET /orders/%2E%2E/users" + head + "~", 400, ""},
	{"GET /orders/.%2e/users" + head + "~", 400, ""},
	{"GET /orders/%2e./users" + head + "~", 400, ""},
	{"GET /%2e/orders" + head + "~", 400, ""},
	{"GET /orders/%252e%252e/users" + head + "~", 400, ""},
	{"GET /orders/%25%32%65" + head + "~", 400, ""},
	{"GET http://shop/orders/../users" + head + "~", 400, ""},

	// slashes
	{"GET //orders" + head + "~", 400, ""},
	{"GET /orders//42" + head + "~", 400, ""},
	{"GET /orders//" + head + "~", 400, ""},
	{"GET ///" + head + "~", 400, ""},
	{"GET /orders%2f42" + head + "~", 400, ""},
	{"GET /orders%2F42" + head + "~", 400, ""},
	{"GET /products%2f..%2fusers" + head + "~", 400, ""},
	{"GET /orders%252f42" + head + "~", 400, ""},
	{`GET /orders\42` + head + "~", 400, ""},
	{`GET /orders/..\users` + head + "~", 400, ""},
	{"GET /orders%5c42" + head + "~", 400, ""},
	{"GET /orders%5C..%5Cusers" + head + "~", 400, ""},

	// bytes that end strings or lines elsewhere, and broken escapes
	{"GET /orders/42%00" + head + "~", 400, ""},
	{"GET /orders/%00.json" + head + "~", 400, ""},
	{"GET /orders/a%0d%0ab" + head + "~", 400, ""},
	{"GET /orders/a%09b" + head + "~", 400, ""},
	{"GET /orders/a%7fb" + head + "~", 400, ""},
	{"GET /orders/%c0%ae%c0%ae/users" + head + "~", 400, ""},
	{"GET /orders/%ff" + head + "~", 400, ""},
	{"GET /orders/%" + head + "~", 400, ""},
	{"GET /orders/%4" + head + "~", 400, ""},
	{"GET /orders/%zz" + head + "~", 400, ""},
	{"GET /orders/%u002e" + head + "~", 400, ""},
	{"GET /orders#x" + head + "~", 400, ""},
	{"GET /orders/\x01" + head + "~", 400, ""},
	{"GET orders" + head + "~", 400, ""},
	{"GET /orders;v=1" + head + "~", 404, ""},
	{"GET /orders/..;/users" + head + "~", 404, ""},

	// the query
	{"GET /orders?a=1;b=2" + head + "~", 400, ""},
	{"GET /orders?a=%" + head + "~", 400, ""},
	{"GET /orders?a=%zz" + head + "~", 400, ""},
	{"GET /orders?a=%00" + head + "~", 400, ""},
	{"GET /orders?a=%ff" + head + "~", 400, ""},

	// methods
	{"CONNECT shop:443 HTTP/1.1~Host: shop:443~~", 400, ""},
	{"CONNECT /orders" + head + "~", 400, ""},
	{"TRACE /orders" + head + "~", 405, ""},
	{"TRACE /nowhere" + head + "~", 404, ""},
	{"get /orders" + head + "~", 405, ""},
	{"PRI * HTTP/2.0~~SM~~", 400, ""},

	// headers that occur twice, or twice in different spellings
	{plain + "Authorization: Bearer TOKEN~~", 400, ""},
	{plain + "authorization: Bearer x~~", 400, ""},
	{"POST /orders" + head + "Idempotency-Key: a~Idempotency-Key: b~Content-Length: 0~~", 400, ""},
	{"POST /orders" + head + "Content-Type: text/plain~Content-Type: application/json~Content-Length: 0~~", 400, ""},
	{plain + "Host: other~~", 400, ""},
	{"GET /orders HTTP/1.1~Authorization: Bearer TOKEN~~", 400, ""},
	{plain + " folded: x~~", 401, ""}, // joined to the line before, which makes the token invalid
	{plain + "X Y: z~~", 400, ""},
	{plain + "X-A : z~~", 400, ""},
	{plain + "X-A: a\x00b~~", 400, ""},

	// hop-by-hop headers, and headers that only the gateway may set, are removed
	{plain + "X_User_Id: root~~", 200, "X_user_id"},
	{plain + "Content_Length: 5~~", 200, "Content_length"},
	{plain + "X-User-Id: root~~", 200, "X-User-Id"},
	{plain + "X-Auth-Role: admin~~", 200, "X-Auth-Role"},
	{plain + "Connection: X-Secret~X-Secret: 1~~", 200, "X-Secret"},
	{plain + "Connection: close, x-secret , ,~X-Secret: 1~~", 200, "X-Secret"},
	{plain + "Connection: keep-alive~Connection: x-secret~X-Secret: 1~~", 200, "X-Secret"},
	{plain + "Keep-Alive: timeout=5~~", 200, "Keep-Alive"},
	{plain + "Proxy-Authorization: Basic YTpi~~", 200, "Proxy-Authorization"},
	{plain + "Proxy-Connection: keep-alive~~", 200, "Proxy-Connection"},
	{plain + "TE: trailers~~", 200, "Te"},
	{plain + "Trailer: X-Late~~", 200, "Trailer"},
	{plain + "Connection: Upgrade~Upgrade: websocket~~", 200, "Upgrade"},
	{plain + "Connection: Upgrade, HTTP2-Settings~Upgrade: h2c~HTTP2-Settings: AAMAAABkAAQAAP__~~", 200, "Http2-Settings"},

	// Connection names end-to-end headers
	{plain + "Connection: Authorization~~", 400, ""},
	{plain + "Connection: close, , authorization~~", 400, ""},
	{plain + "Connection: keep-alive~Connection: AUTHORIZATION~~", 400, ""},
	{"POST /orders" + head + "Connection: Idempotency-Key~Idempotency-Key: a~Content-Length: 0~~", 400, ""},
	{"POST /orders" + head + "Connection: Content-Type~Content-Type: application/json~Content-Length: 2~~{}", 400, ""},
	{"POST /orders" + head + "Connection: content-length~Content-Length: 2~~{}", 400, ""},
	{"POST /orders" + head + "Connection: content-encoding~Content-Encoding: gzip~Content-Length: 2~~{}", 400, ""},
	{plain + "Connection: host~~", 400, ""},

	// framing: the end of the request is ambiguous
	{"POST /orders" + head + "Content-Length: 2~Content-Length: 3~~{}x", 400, ""},
	{"POST /orders" + head + "Content-Length: +2~~{}", 400, ""},
	{"POST /orders" + head + "Content-Length: -1~~", 400, ""},
	{"POST /orders" + head + "Content-Length: 2, 2~~{}", 400, ""},
	{"POST /orders" + head + "Content-Length: 0x2~~{}", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked, identity~~0~~", 501, ""},
	{"POST /orders" + head + "Transfer-Encoding: xchunked~~0~~", 501, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~Transfer-Encoding: chunked~~0~~", 501, ""},
	{"POST /orders" + head + "Transfer-Encoding : chunked~~0~~", 400, ""},
	{"POST /orders" + head + "Expect: 200-maybe~Content-Length: 2~~{}", 417, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~2~{}~0~~", 200, "Transfer-Encoding"},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~2;x=y~{}~0~X-User-Id: root~~", 200, "X-User-Id"},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~zz~{}~0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~5~{}~0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~2~{}0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~ffffffffffffffffff~{}~0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~-1~{}~0~~", 400, ""},
	{"POST /orders" + head + "Content-Length:~~", 400, ""},
	{"POST /orders" + head + "Content-Length: 1_0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: \x0bchunked~~0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding:~~0~~", 501, ""},
	{"POST /orders" + head + "Transfer-Encoding: gzip, chunked~~0~~", 501, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~2\n{}~0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~2;\n{}~0~~", 400, ""},
	{"POST /orders" + head + "Transfer-Encoding: chunked~~0x2~{}~0~~", 400, ""},
	{"POST /orders" + head + "Content-Length: 5~Transfer-Encoding: chunked~~2~{}~0~~", 200, "Content-Length"}, // read by Transfer-Encoding, and sent on with one length
	{"POST /orders" + head + "Content-Length: 2~Content-Length: 2~~{}", 200, ""},

	// the request line and the host
	{"GET /orders http/1.1~Host: shop~~", 400, ""},
	{"GET /orders HTTP/3.0~Host: shop~~", 505, ""},
	{"GET /orders~~", 400, ""},
	{"GET  /orders HTTP/1.1~Host: shop~~", 400, ""},
	{"G@T /orders HTTP/1.1~Host: shop~~", 400, ""},
	{"GET /orders HTTP/1.1~Host: sh op~~", 400, ""},
	{"GET /orders HTTP/1.1~Host: shop\\x~~", 400, ""},
	{"GET /orders HTTP/1.1~ Host: shop~~", 400, ""},
	{"GET http://a\\b/orders" + head + "~", 400, ""},
	{plain + "X-A: a\rb~~", 400, ""},
	{plain + ": empty~~", 400, ""},
	{"GET /orders HTTP/1.1\nHost: shop\nAuthorization: Bearer TOKEN\n\n", 200, ""}, // bare line feeds, made canonical

	// a switch of protocols that no route allows, and one that is never allowed
	{plain + "Connection: Upgrade~Upgrade: tls/1.3~~", 200, "Upgrade"},
	{plain + "Connection: upgrade~Upgrade: websocket, h2c~~", 200, "Upgrade"},
	{plain + "Upgrade: websocket~~", 200, "Upgrade"},
	{"POST /orders" + head + "Content-Length: 1048577~~", 413, ""},
	{"POST /orders" + head + "Content-Length: 9999999999999~~", 413, ""},
	{"POST /orders" + head + "Content-Length: 99999999999999999999~~", 400, ""},
}

func TestAmbiguousRequestsAreRejected(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(probes), 100)
	w := start(t, nil)
	token := w.token(t, auth.User)
	for _, p := range probes {
		name := strings.ReplaceAll(strings.ReplaceAll(p.send, head, " "), "~", "|")
		raw := strings.NewReplacer("~", "\r\n", "TOKEN", token).Replace(p.send)
		before := w.reached()
		status, body := w.sendRaw(t, raw)
		require.Equal(t, p.status, status, "%q: %s", name, body)
		if p.status != 200 {
			require.Equal(t, before, w.reached(), "%q reached a service", name)
			continue
		}
		require.Equal(t, before+1, w.reached(), name)
		if p.without != "" {
			require.NotContains(t, response{&http.Response{StatusCode: 200}, body}.received(t).Header, p.without, name)
		}
	}
	for _, name := range names {
		require.Equal(t, "0", w.metric(t, `troupe_gateway_breaker_state{upstream="`+name+`"}`))
		require.Equal(t, "0", w.metric(t, `troupe_gateway_upstream_attempts_total{outcome="failure",upstream="`+name+`"}`))
	}
}

func (w *gatewayTest) reached() int64 {
	var n int64
	for _, s := range w.services {
		n += s.calls.Load()
	}
	return n
}

// sendRaw sends bytes, closes its side of the connection, and reads one response.
func (w *gatewayTest) sendRaw(t *testing.T, raw string) (status int, body []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, raw)
	require.NoError(t, err)
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err, raw)
	body, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, body
}

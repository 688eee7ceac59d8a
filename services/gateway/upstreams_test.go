package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// A Django with django-cors-headers behind the gateway
// (spring-cloud/spring-cloud-gateway#2541, #728, spring-cloud/spring-cloud-netflix#1250).
func TestTheCORSPolicyOfAnUpstreamHasNoEffect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		origins, origin, allowed string
		vary                     []string
	}{
		"a page of the list":  {"https://shop.example", "https://shop.example", "https://shop.example", []string{"Origin", "accept"}},
		"another page":        {"https://shop.example", "https://evil.example", "", []string{"Origin", "accept"}},
		"no list":             {"", "https://evil.example", "", []string{"accept, origin", "Accept"}},
		"no page, but a list": {"https://shop.example", "", "", []string{"Origin", "accept"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, map[string]string{"GATEWAY_CORS_ORIGINS": c.origins})
			w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
				for _, header := range []string{"Origin", "Credentials", "Methods", "Headers", "Private-Network"} {
					rw.Header().Set("Access-Control-Allow-"+header, "*")
				}
				rw.Header().Set("Access-Control-Expose-Headers", "*")
				rw.Header().Set("Access-Control-Max-Age", "86400")
				rw.Header()["Vary"] = []string{"accept, origin", "Accept"}
			})
			var headers []string
			if c.origin != "" {
				headers = []string{"Origin", c.origin}
			}
			r := w.call(t, auth.User, "GET", "/orders", "", headers...)
			require.Equal(t, 200, r.StatusCode)
			require.Equal(t, c.allowed, r.Header.Get("Access-Control-Allow-Origin"))
			for _, header := range []string{"Allow-Credentials", "Allow-Methods", "Allow-Headers", "Allow-Private-Network", "Max-Age"} {
				require.Empty(t, r.Header.Get("Access-Control-"+header), header)
			}
			require.NotEqual(t, "*", r.Header.Get("Access-Control-Expose-Headers"))
			require.Equal(t, c.vary, r.Header["Vary"])
		})
	}
}

// caddyserver/caddy#2117, grafana/grafana#42973: "invalid WriteHeader code". The body is too
// long for the gateway's own client, which refuses such a status itself.
func TestAnImpossibleStatusIsABadGateway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(conn, "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n")
			}
			_ = conn.Close()
		}
	}()
	w, _ := startRouting(t, "extends: default\nroutes:\n  - {path: /legacy, access: public, upstream: legacy}\nupstreams:\n  legacy: {targets: ['http://"+l.Addr().String()+"']}")
	w.call(t, "", "POST", "/legacy", "{}").problem(t, 502, "upstream_broke_off")
	require.Zero(t, w.log.count("panic"))
}

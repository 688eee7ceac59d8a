package sanitize_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"troupe/services/gateway/internal/sanitize"
)

func request(target string) (*http.Request, error) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	return &http.Request{Method: "GET", URL: u, RequestURI: target, Header: http.Header{}}, nil
}

// An accepted path means the same to every server: to one that decodes it once or twice,
// and to one that cleans it or does not.
func FuzzOnlyUnambiguousPathsPass(f *testing.F) {
	for _, seed := range []string{
		"/", "/orders/42", "/orders/%2e%2e", "/a%2fb", "/a//b", "/a/./b", "/%252e", "/caf%C3%A9", `/a\b`, "/a%00", "/a?b=%zz", "/a;b?c;d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := request(target)
		if err != nil {
			t.Skip("net/http refuses it")
		}
		if sanitize.Check(r) != nil {
			return
		}
		decoded := r.URL.Path
		require.Equal(t, strings.TrimSuffix(decoded, "/"), strings.TrimSuffix(path.Clean(decoded), "/"))
		require.True(t, utf8.ValidString(decoded))
		require.False(t, strings.ContainsAny(decoded, "\x00\r\n\\"))
		if twice, err := url.PathUnescape(decoded); err == nil {
			require.Equal(t, decoded, twice)
		}
		require.Equal(t, strings.Count(r.URL.EscapedPath(), "/"), strings.Count(decoded, "/"), "no slash was hidden")
		require.NotContains(t, r.URL.RawQuery, ";")
	})
}

// Letters that only fold to ASCII make no handshake, and no option of a connection: the
// service behind would read another request than the gateway.
func TestAHandshakeIsWrittenInASCII(t *testing.T) {
	t.Parallel()
	handshake := func(upgrade string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/live", nil)
		r.Header = http.Header{"Upgrade": {upgrade}, "Connection": {"Keep-Alive, UPGRADE"}}
		return r
	}
	require.True(t, sanitize.IsWebSocket(handshake("WebSocket")))
	require.False(t, sanitize.IsWebSocket(handshake("web\u017focket")))
	require.False(t, sanitize.IsWebSocket(handshake("websoc\u212aet")))
}

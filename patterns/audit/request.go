package audit

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"troupe/platform/clientaddr"
)

type requestKey struct{}

// request is where a request came from, and whether an entry was recorded for it.
type request struct {
	client, peer string
	recorded     atomic.Bool
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// Middleware lets the entries that are recorded during a request name its addresses: the
// client's, which is the last one in X-Forwarded-For, where the gateway writes it, and
// that of the peer, which cannot be forged. A client address without the gateway's peer
// address beside it is a claim.
func Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := &request{peer: hostOf(r.RemoteAddr)}
		if from.client = lastForwarded(r.Header); from.client == "" {
			from.client = from.peer
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, from)))
	})
}

// Recorded reports whether an entry was recorded, and committed, for the request of ctx.
func Recorded(ctx context.Context) bool {
	r := requestOf(ctx)
	return r != nil && r.recorded.Load()
}

// lastForwarded returns the last address in X-Forwarded-For, "" if it is none.
func lastForwarded(h http.Header) string {
	if address := clientaddr.LastForwarded(h); address.IsValid() {
		return address.Unmap().String()
	}
	return ""
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}

// shorten limits a text that came from outside to 200 bytes of UTF-8.
func shorten(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most]
	}
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
	}
	return s
}

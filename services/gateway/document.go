package gateway

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"troupe/platform/httpapi"
)

func (g *gateway) serveDocument(w http.ResponseWriter, r *http.Request) {
	document, err := g.document.Document(r.Context())
	if err != nil {
		httpapi.WriteProblem(w, r, err)
		return
	}
	text, tag := document.At(originOf(r))
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // the ETag makes asking again cheap
	for name, list := range map[string][]string{"X-Troupe-Missing": document.Missing, "X-Troupe-Stale": document.Stale} {
		if len(list) > 0 {
			h.Set(name, strings.Join(list, ", "))
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text)) // it answers If-None-Match
}

// originOf returns the origin under which the client has called, as the edge found it: the
// scheme and the host of the outermost trusted proxy, or those of the connection. A client
// of HTTP/1.0 may name no host; then it is where the document is.
func originOf(r *http.Request) string {
	host := r.Header.Get("X-Forwarded-Host")
	if host == "" {
		return "."
	}
	return r.Header.Get("X-Forwarded-Proto") + "://" + host
}

// Package pushpage is a page with which a developer subscribes a browser, sees the pushes
// that arrive, and opens the order that one is about. It loads nothing from other servers
// and runs only its own scripts.
package pushpage

import (
	_ "embed" // for the files of the page
	"net/http"

	"troupe/platform/httpapi"
)

// policy is the Content-Security-Policy of the page and of its service worker.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

var (
	//go:embed pages/push.html
	page []byte
	//go:embed pages/page.js
	script []byte
	//go:embed pages/page.css
	style []byte
	//go:embed pages/worker.js
	worker []byte
)

// Serve adds the page to api.
func Serve(api *httpapi.API) {
	const javascript = "text/javascript; charset=utf-8"
	api.Handle("GET /push", serve(page, "text/html; charset=utf-8"))
	api.Handle("GET /push/page.js", serve(script, javascript))
	api.Handle("GET /push/page.css", serve(style, "text/css; charset=utf-8"))
	api.Handle("GET /push/worker.js", serve(worker, javascript))
}

func serve(content []byte, contentType string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Security-Policy", policy)
		h.Set("Service-Worker-Allowed", "/push") // so that the worker controls the page
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(content) // an error means that the client has disconnected
	})
}

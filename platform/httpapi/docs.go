package httpapi

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the files of the docs page
	"html"
	"io"
	"net/http"
	"strings"
	"sync"
)

// The docs page with everything it needs: it works without access to the internet, and no
// third party learns of its readers. All APIs of a process serve the program's own copy.
var (
	//go:embed swagger-ui/docs.html
	docsPage string
	//go:embed swagger-ui/docs.js
	docsScript []byte
	//go:embed swagger-ui/docs.css
	docsStyle []byte
	//go:embed swagger-ui/swagger-ui-bundle.js.gz
	swaggerScript []byte
	//go:embed swagger-ui/swagger-ui.css.gz
	swaggerStyle []byte
)

// docsPolicy forbids the browser all requests to other servers. Inline styles are
// allowed because Swagger UI sets them on its elements.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (a *API) addDocs() {
	a.mux.HandleFunc("GET /openapi.json", a.serveDocument)
	a.mux.HandleFunc("GET /{$}", a.serveRoot)
	a.mux.HandleFunc("GET /docs/{$}", redirectToDocs)
	a.mux.HandleFunc("GET /docs", a.serveDocs)
	a.mux.HandleFunc("GET /docs/docs.js", asset("text/javascript", docsScript))
	a.mux.HandleFunc("GET /docs/docs.css", asset("text/css", docsStyle))
	a.mux.HandleFunc("GET /docs/swagger-ui-bundle.js", gzipped("text/javascript", swaggerScript))
	a.mux.HandleFunc("GET /docs/swagger-ui.css", gzipped("text/css", swaggerStyle))
}

// AddDocument serves content below /docs, at /docs/path, unless the docs are hidden. If
// title is not empty, the page /docs links to it. All of them are added before the first
// request.
func (a *API) AddDocument(path, title, mediaType string, content []byte) {
	if a.config.HideDocs {
		return
	}
	a.mux.HandleFunc("GET /docs/"+path, asset(mediaType, content))
	if title != "" {
		a.docsLinks += `<a href="/docs/` + html.EscapeString(path) + `">` + html.EscapeString(title) + "</a>\n"
	}
}

// serveDocs serves the page that shows the API.
func (a *API) serveDocs(w http.ResponseWriter, r *http.Request) {
	page := strings.ReplaceAll(docsPage, "TITLE", html.EscapeString(a.config.Title))
	asset("text/html", []byte(strings.ReplaceAll(page, "LINKS", a.docsLinks)))(w, r)
}

// serveRoot redirects browsers to the docs, because people open the bare address
// first. A program that requests it has a wrong address, and gets a 404 that it can read.
// A route of the fallback comes first.
func (a *API) serveRoot(w http.ResponseWriter, r *http.Request) {
	if h, _ := a.matchFallback(r); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		redirectToDocs(w, r)
		return
	}
	WriteProblem(w, r, errRouteNotFound)
}

func redirectToDocs(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/docs", http.StatusTemporaryRedirect)
}

func (a *API) serveDocument(w http.ResponseWriter, r *http.Request) {
	if a.documentHandler != nil {
		a.documentHandler.ServeHTTP(w, r)
		return
	}
	document, err := a.document()
	if err != nil {
		WriteProblem(w, r, err)
		return
	}
	writeJSON(w, document)
}

func asset(mediaType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", mediaType+"; charset=utf-8")
		h.Set("Content-Security-Policy", docsPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(content) // the reader may have disconnected
	}
}

// gzipped serves content, which is gzip data, as it is. It unpacks the content for the
// rare client that does not accept gzip.
func gzipped(mediaType string, content []byte) http.HandlerFunc {
	serve := asset(mediaType, content)
	unpack := sync.OnceValues(func() ([]byte, error) { return gunzip(content) }) // one copy for all readers
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			serve(w, r)
			return
		}
		plain, err := unpack()
		if err != nil {
			WriteProblem(w, r, err)
			return
		}
		asset(mediaType, plain)(w, r)
	}
}

func gunzip(content []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

package httpapi

import (
	"bytes"
	"compress/gzip"
	"embed"
	"html"
	"io"
	"net/http"
	"strings"
)

// swaggerUI is the docs page with all it needs: it works in a network that is
// cut off, and tells nobody outside of its readers.
//
//go:embed swagger-ui/docs.html swagger-ui/docs.js swagger-ui/*.gz
var swaggerUI embed.FS

// docsPolicy forbids the browser every request to anywhere else. Swagger UI sets
// styles on its elements.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (a *API) addDocs() {
	page := bytes.ReplaceAll(embedded("docs.html"), []byte("TITLE"), []byte(html.EscapeString(a.config.Title)))
	a.mux.HandleFunc("GET /openapi.json", a.serveDocument)
	a.mux.HandleFunc("GET /{$}", frontDoor)
	a.mux.HandleFunc("GET /docs/{$}", toDocs)
	a.mux.HandleFunc("GET /docs", asset("text/html", page))
	a.mux.HandleFunc("GET /docs/docs.js", asset("text/javascript", embedded("docs.js")))
	a.mux.HandleFunc("GET /docs/swagger-ui-bundle.js", packed("text/javascript", embedded("swagger-ui-bundle.js.gz")))
	a.mux.HandleFunc("GET /docs/swagger-ui.css", packed("text/css", embedded("swagger-ui.css.gz")))
}

// frontDoor leads people to the docs, who open the bare address first. A program
// that asks there has made a mistake, and a page would not tell it so.
func frontDoor(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		toDocs(w, r)
		return
	}
	WriteProblem(w, r, errNoRoute)
}

func toDocs(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/docs", http.StatusTemporaryRedirect)
}

func embedded(name string) []byte {
	content, err := swaggerUI.ReadFile("swagger-ui/" + name)
	if err != nil {
		panic(err) // the name stands in this file, and the file in the binary
	}
	return content
}

func (a *API) serveDocument(w http.ResponseWriter, r *http.Request) {
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
		_, _ = w.Write(content) // a reader who is gone needs no page
	}
}

// packed serves gzip as it lies, and unpacks it for the rare client that does
// not take gzip.
func packed(mediaType string, content []byte) http.HandlerFunc {
	serve := asset(mediaType, content)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			serve(w, r)
			return
		}
		plain, err := unpack(content)
		if err != nil {
			WriteProblem(w, r, err)
			return
		}
		asset(mediaType, plain)(w, r)
	}
}

func unpack(content []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

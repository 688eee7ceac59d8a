// Package ui serves the pages of the console, built into the program: one page, its script
// and its style sheet. They are bundled from src by tools/console (`make generate`).
package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"troupe/platform/fault"
	"troupe/platform/httpapi"
)

//go:embed dist
var dist embed.FS

// policy forbids the browser all requests to other servers, and scripts and styles that
// stand in the page itself.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// assets is where the files other than the page are served.
const assets = "/console/assets/"

var errNoOperation = fault.New(fault.NotFound, "route_not_found", "the console has no such operation; GET /openapi.json lists all")

// file is a file of dist, in both encodings that it is served in.
type file struct {
	mediaType string
	tag       string // the ETag
	plain     []byte
	gzipped   []byte // nil if it would not be smaller
}

// mediaTypes lists the types of the files by the ends of their names.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// Handler returns the handler of the pages below /console. Every path but those of the
// assets is the same page: its script shows what belongs to the path.
func Handler() http.Handler { return newPages(dist) }

type pages map[string]file

func newPages(tree fs.FS) pages {
	all := pages{}
	names, err := fs.Glob(tree, "dist/*")
	if err != nil {
		panic(err) // the pattern is right
	}
	for _, name := range names {
		content, err := fs.ReadFile(tree, name)
		if mediaType := mediaTypes[path.Ext(name)]; err == nil && mediaType != "" {
			all[path.Base(name)] = newFile(mediaType, content)
		}
	}
	return all
}

func newFile(mediaType string, content []byte) file {
	sum := sha256.Sum256(content)
	f := file{mediaType: mediaType, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, plain: content}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level exists
	if _, err := z.Write(content); err == nil && z.Close() == nil && packed.Len() < len(content) {
		f.gzipped = packed.Bytes()
	}
	return f
}

func (p pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "pages are read with GET", http.StatusMethodNotAllowed)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/console/api/") {
		httpapi.WriteProblem(w, r, errNoOperation)
		return
	}
	name, isAsset := strings.CutPrefix(r.URL.Path, assets)
	if !isAsset {
		p["index.html"].serve(w, r, "no-cache")
		return
	}
	f, known := p[name]
	if !known || name == "index.html" {
		http.Error(w, "there is no such file: reload the page to get the present ones", http.StatusNotFound)
		return
	}
	f.serve(w, r, caching(name))
}

// caching returns how long a browser may keep an asset: without a limit if its name changes with
// its content.
func caching(name string) string {
	if strings.HasPrefix(name, "app-") {
		return "public, max-age=31536000, immutable"
	}
	return "public, max-age=3600"
}

// serve writes f, or 304 if the client has it.
func (f file) serve(w http.ResponseWriter, r *http.Request, cache string) {
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", cache)
	h.Set("Vary", "Accept-Encoding")
	content, tag := f.plain, f.tag
	if f.gzipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		content, tag = f.gzipped, strings.TrimSuffix(f.tag, `"`)+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(content) // the reader may have disconnected; net/http leaves the body of HEAD out
}

package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// get requests a page with the headers, which are pairs.
func get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

// assetNames returns what the page loads.
func assetNames(t *testing.T) []string {
	t.Helper()
	page := get(t, "/console/").Body.String()
	var names []string
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		names = append(names, m[1])
	}
	require.Len(t, names, 3, "an icon, a style sheet and a script")
	return names
}

func TestThePageLoadsOnlyFilesThatAreServed(t *testing.T) {
	t.Parallel()
	for _, name := range assetNames(t) {
		w := get(t, name)
		require.Equal(t, http.StatusOK, w.Code, name)
		require.NotEmpty(t, w.Body.Bytes(), name)
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		switch {
		case strings.HasSuffix(name, ".js"):
			require.Equal(t, "text/javascript; charset=utf-8", w.Header().Get("Content-Type"))
			require.Contains(t, w.Header().Get("Cache-Control"), "immutable")
		case strings.HasSuffix(name, ".css"):
			require.Equal(t, "text/css; charset=utf-8", w.Header().Get("Content-Type"))
			require.Contains(t, w.Header().Get("Cache-Control"), "immutable")
		default:
			require.Equal(t, "image/svg+xml", w.Header().Get("Content-Type"))
			require.NotContains(t, w.Header().Get("Cache-Control"), "immutable", "the name of the icon does not change")
		}
	}
}

func TestEveryPathBelowConsoleIsThePage(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/console", "/console/", "/console/orders", "/console/orders/abc?step=1", "/console/events"} {
		w := get(t, path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"), path)
		require.Equal(t, "no-cache", w.Header().Get("Cache-Control"), path)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'self';", path)
		require.Contains(t, w.Body.String(), `<div id="app">`, path)
	}
}

func TestThePageHasNoInlineScriptsOrStyles(t *testing.T) {
	t.Parallel()
	page := get(t, "/console/").Body.String()
	require.NotRegexp(t, `<style|style=|<script>|\son\w+=`, page)
}

func TestWhatDoesNotExistIsNotThePage(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app-gone.js", "index.html", "../ui.go", "sources.sha256"} {
		require.Equal(t, http.StatusNotFound, get(t, assets+name).Code, name)
	}
	unknown := get(t, "/console/api/unknown")
	require.Equal(t, http.StatusNotFound, unknown.Code)
	require.Equal(t, "application/problem+json", unknown.Header().Get("Content-Type"))
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/console/", http.NoBody))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

func TestAFileThatTheBrowserHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"identity", "gzip"} {
		first := get(t, "/console/", "Accept-Encoding", encoding)
		again := get(t, "/console/", "Accept-Encoding", encoding, "If-None-Match", first.Header().Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.Code, encoding)
		require.Empty(t, again.Body.Bytes(), encoding)
	}
	require.NotEqual(t, get(t, "/console/").Header().Get("ETag"), get(t, "/console/", "Accept-Encoding", "gzip").Header().Get("ETag"),
		"the two encodings have different bytes")
}

func TestGzipUnpacksToThePlainFile(t *testing.T) {
	t.Parallel()
	for _, name := range assetNames(t) {
		plain, packed := get(t, name), get(t, name, "Accept-Encoding", "gzip, br")
		if packed.Header().Get("Content-Encoding") == "" {
			continue // it would not be smaller
		}
		z, err := gzip.NewReader(packed.Body)
		require.NoError(t, err)
		unpacked, err := io.ReadAll(z)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain.Body.Bytes(), unpacked), name)
	}
}

// The budget of the first load: what a browser fetches before it asks for data.
func TestTheFirstLoadIsSmall(t *testing.T) {
	t.Parallel()
	total := get(t, "/console/", "Accept-Encoding", "gzip").Body.Len()
	for _, name := range assetNames(t) {
		total += get(t, name, "Accept-Encoding", "gzip").Body.Len()
	}
	require.LessOrEqual(t, total, 90_000, "bytes of the page and its assets, with gzip")
}

// dist names the sources that it was built from. So a change of the sources without
// `make generate` fails here, without esbuild; scripts/console compares the bytes.
func TestThePagesAreBuiltFromThePresentSources(t *testing.T) {
	t.Parallel()
	kept, err := os.ReadFile("dist/sources.sha256")
	require.NoError(t, err)
	var now []string
	for _, folder := range []string{"src", "vendor"} {
		err := fs.WalkDir(os.DirFS("."), folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(name)
			now = append(now, fmt.Sprintf("%x  %s", sha256.Sum256(content), name))
			return err
		})
		require.NoError(t, err)
	}
	listed := strings.Split(strings.TrimSpace(string(kept)), "\n")
	slices.Sort(listed)
	slices.Sort(now)
	require.Equal(t, listed, now, "dist is stale: run 'make generate' and commit it")
}

package httpapi

import "net/http"

// The values of the headers below are shared by all responses: they must not be changed.
var (
	nosniff = []string{"nosniff"}
	noStore = []string{"no-store"}
	// dataPolicy is for data, which a browser must neither run nor show in a frame.
	dataPolicy = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// refuseSniffing is the middleware that keeps browsers from taking a response for
// another type than its Content-Type.
func refuseSniffing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Content-Type-Options"] = nosniff
		next.ServeHTTP(w, r)
	})
}

// Protect sets the headers of a response that no cache may keep, because it is about one
// request or one caller: of problem documents, and of what plain handlers answer.
func Protect(h http.Header) {
	h["X-Content-Type-Options"], h["Content-Security-Policy"], h["Cache-Control"] = nosniff, dataPolicy, noStore
}

// protect sets the headers of the operation's responses. Only what everybody may read
// may be kept by a cache; an output with a Cache-Control header of its own decides
// otherwise.
func (o operation) protect(h http.Header, method string) {
	h["Content-Security-Policy"] = dataPolicy
	if !o.public || method != http.MethodGet {
		h["Cache-Control"] = noStore
	}
}

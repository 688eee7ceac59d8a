package chaos

import "net/http"

// Unreachable returns a handler whose connections break without an answer while the fault
// is active, as those of a service that is down. Requests that except selects are answered.
func Unreachable(next http.Handler, s *Switch, except func(*http.Request) bool) http.Handler {
	if s == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.On() && !except(r) {
			panic(http.ErrAbortHandler) // the server closes the connection and logs nothing
		}
		next.ServeHTTP(w, r)
	})
}

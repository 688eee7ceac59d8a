package httpapi

import "net/http"

// AdminCall is a call of an operation that requires a role, after its response: for the
// audit log. The caller is in the context.
type AdminCall struct {
	Method string
	Path   string // as requested
	Route  string // the pattern: "/payments/{id}/refund"
	Status int
	Reads  bool // a GET, which changes nothing
}

// reportAdminCall hands a call of an operation that requires a role to the function of
// the configuration.
func (a *API) reportAdminCall(o operation, w http.ResponseWriter, r *http.Request) {
	if o.role == "" || a.config.AdminCalled == nil {
		return
	}
	call := AdminCall{Method: r.Method, Path: truncate(r.URL.Path), Route: routeLabel(r.Pattern), Reads: r.Method == http.MethodGet || r.Method == http.MethodHead}
	if rec := recorderOf(w); rec != nil {
		call.Status = rec.status
	}
	a.config.AdminCalled(r.Context(), call)
}

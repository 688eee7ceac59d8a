package gateway

import (
	"context"
	"net/http"
	"net/url"

	"troupe/platform/auth"
	"troupe/platform/httpapi"
)

// options answers OPTIONS for a path whose routes do not have this method. The methods
// are those of the routes; the types of their bodies come from the service.
type options struct {
	*gateway
	routing *routing
}

func (o options) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var left quotas
	limits := o.routing.admin // those by address, as for all that the gateway answers itself
	err := o.admit(limits.byAddress, "", clientAddress(r), &left)
	left.write(w.Header(), limits.policy)
	if err != nil {
		httpapi.WriteProblem(w, r, err)
		return
	}
	setTraceHeaders(r, w.Header())
	for method, header := range map[string]string{http.MethodPost: "Accept-Post", http.MethodPatch: "Accept-Patch"} {
		if types := o.ask(method, header, r); len(types) > 0 {
			w.Header()[header] = types
		}
	}
	httpapi.WriteOptions(w, o.routing.table.Methods(r.URL.Path))
}

// ask returns what the service behind the route of a method answers in a header. Without
// an answer the client learns only the methods.
func (o options) ask(method, header string, r *http.Request) []string {
	f, routed := o.routing.table.Find(method, r.URL.Path)
	if !routed || f.rule.Compose != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), o.PartTimeout)
	defer cancel()
	res, failed := f.choose(auth.Caller{}, r).Options(ctx, r, &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath}, bufferedAnswer)
	if failed != nil || res.Status >= http.StatusMultipleChoices {
		return nil
	}
	return res.Header[header]
}

package httpapi

import "net/http"

func (a *API) addDocs() {
	a.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		document, err := a.document()
		if err != nil {
			WriteProblem(w, r, err)
			return
		}
		writeJSON(w, string(document))
	})
}

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInProductionTheBannerHasNoLinkThatSignsIn(t *testing.T) {
	t.Parallel()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/token":
			_, _ = fmt.Fprint(w, `{"access_token":"a","refresh_token":"r","token_type":"bearer","expires_in":600}`)
		case "/console/api/links":
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprint(w, `{"token":"LINK"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer gateway.Close()
	for environment, link := range map[string]string{
		"development": gateway.URL + "/console/?token=LINK  (signs in once; for another link: troupe console)",
		"production":  gateway.URL + "/console/",
	} {
		a := ensureAdmin(t.TempDir(), map[string]string{"TROUPE_ENV": environment, "USERS_ADMIN_PASSWORD": "correct horse"})
		line, console := a.bannerLine(t.Context(), gateway.URL)
		require.Equal(t, "admin@troupe.local  (password in USERS_ADMIN_PASSWORD)", line)
		require.Equal(t, link, console, environment)
	}
}

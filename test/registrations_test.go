package test

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
)

// Sixty registrations at once are more than may come from one address, and more than wait
// for their hash. No other user notices, and no circuit opens.
func TestAFloodOfRegistrationsShutsOutNobody(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.InTest, Settings: []string{
		"USERS_PASSWORD_HASH_COST=standard", "USERS_REGISTRATIONS_PER_MINUTE=10",
	}})
	statuses := make([]int, 60)
	started := make(chan struct{}, len(statuses))
	var flood sync.WaitGroup
	for i := range statuses {
		flood.Go(func() {
			started <- struct{}{}
			body := fmt.Sprintf(`{"email":"user%d@example.com","password":%q,"name":"Ada"}`, i, password)
			statuses[i] = s.send(t, rawRequest{
				method: "POST", path: "/users", header: map[string]string{"Content-Type": "application/json"}, body: body,
			}).status
		})
	}
	for range statuses {
		<-started
	}
	bearer := map[string]string{"Authorization": "Bearer " + s.admin.Token()}
	for range 10 {
		require.Equal(t, 200, s.send(t, rawRequest{method: "GET", path: "/users/me", header: bearer}).status)
		s.login(t, cluster.AdminEmail, cluster.AdminPassword)
	}
	flood.Wait()
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	require.Equal(t, 60, counts[201]+counts[429]+counts[503]+counts[504], "%v", counts) // 504: the machine was too slow for some
	require.Positive(t, counts[201])
	require.LessOrEqual(t, counts[201], 30)
	require.Equal(t, "CLOSED", s.circuit(t, "users"))
}

// The password that confirms the deletion of an account, and the cookie of a known device,
// pass through the gateway.
func TestSignInAndDeletionThroughTheGateway(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		email := strings.ToLower(rand.Text()) + "@example.com"
		ada, err := client.New(s.URL("gateway")).Register(t.Context(), email, password, "Ada")
		require.NoError(t, err)
		form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		signedIn := s.send(t, rawRequest{
			method: "POST", path: "/token", header: form, body: url.Values{"username": {email}, "password": {password}}.Encode(),
		})
		require.Equal(t, 200, signedIn.status, "%s", signedIn.body)
		require.Regexp(t, "^troupe_device=troupe_dt1_.*; HttpOnly; Secure; SameSite=Strict$", signedIn.header.Get("Set-Cookie"))

		remove := rawRequest{method: "DELETE", path: "/users/me", header: map[string]string{
			"Authorization": "Bearer " + ada.Token(), "Content-Type": "application/json",
		}}
		remove.body = `{"password":"a guess"}`
		require.Equal(t, 422, s.send(t, remove).status)
		remove.body = fmt.Sprintf(`{"password":%q}`, password)
		require.Equal(t, 204, s.send(t, remove).status)
		_, err = client.New(s.URL("gateway")).Login(t.Context(), email, password)
		require.Error(t, err, "there is no such account")
	})
}

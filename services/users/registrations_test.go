package users_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
)

func TestAnAddressRegistersSoManyAccounts(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		n := 0
		register := func(address string) *servicetest.Response {
			n++
			return h.Anonymous().With("X-Forwarded-For", address).Post(t, "/users", person(fmt.Sprintf("user%d@example.com", n)))
		}
		for i := range 6 {
			register(fmt.Sprintf("2001:db8::%d", i)).Want(t, 201)
		}
		require.Equal(t, "30", register("2001:db8::7").Problem(t, 429, "registrations_limited").Header("Retry-After"))
		register("2001:db8:0:1::1").Want(t, 201)
		h.Anonymous().Post(t, "/users", person("unknown-address@example.com")).Want(t, 201)

		h.Advance(29 * time.Second)
		register("2001:db8::7").Problem(t, 429, "registrations_limited")
		h.Advance(time.Second)
		register("2001:db8::7").Want(t, 201)
		register("2001:db8::7").Problem(t, 429, "registrations_limited")
	}, servicetest.Setting("USERS_REGISTRATIONS_PER_MINUTE", "2"))
}

// Registration reveals whether an e-mail address has an account, so trying addresses is
// limited like registering; a form with mistakes is not.
func TestTryingEmailAddressesIsLimited(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		client := h.Anonymous().With("X-Forwarded-For", "198.51.100.1")
		for range 10 {
			client.Post(t, "/users", map[string]any{"email": "bob@example.com", "password": "short", "name": "Bob"}).Problem(t, 422, "password_weak")
		}
		for range 3 {
			client.Post(t, "/users", person("ada@example.com")).Problem(t, 409, "email_taken")
		}
		client.Post(t, "/users", person("ada@example.com")).Problem(t, 429, "registrations_limited")
		client.Post(t, "/users", person("bob@example.com")).Problem(t, 429, "registrations_limited")
	}, servicetest.Setting("USERS_REGISTRATIONS_PER_MINUTE", "1"))
}

func TestRegistrationsAreNotLimitedForALoadTest(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		client := h.Anonymous().With("X-Forwarded-For", "198.51.100.1")
		for i := range 50 {
			client.Post(t, "/users", person(fmt.Sprintf("user%d@example.com", i))).Want(t, 201)
		}
	}, servicetest.Setting("USERS_REGISTRATIONS_PER_MINUTE", "0"))
}

// Registrations from many addresses come at once. The hashes take their usual time.
func TestAFloodOfRegistrationsLeavesSignInOpen(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		device := signIn(t, h, "admin@troupe.local", adminPassword).Device
		admin := asAdmin(t, h)
		flood := make(chan map[int]int, 1)
		started := make(chan struct{}, 60)
		go func() {
			flood <- count(concurrently(60, func(i int) int {
				started <- struct{}{}
				return h.Anonymous().With("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i)).
					Post(t, "/users", person(fmt.Sprintf("user%d@example.com", i))).Status
			}))
		}()
		for range 60 {
			<-started
		}
		for range 5 {
			trySignInOn(t, form(h), device, "admin@troupe.local", adminPassword).Want(t, 200)
			admin.Get(t, "/users/me").Want(t, 200)
		}
		statuses := <-flood
		require.Equal(t, 60, statuses[201]+statuses[503], "%v", statuses)
		require.Positive(t, statuses[201])
	}, servicetest.Setting("USERS_PASSWORD_HASH_COST", "standard"))
}

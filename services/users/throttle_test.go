package users_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
)

func TestAnUnknownAccountLooksLikeAWrongPassword(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		client := form(h).With("X-Request-Id", "same")
		before := hashes(t, h)
		wrong := trySignIn(t, client, "ada@example.com", "wrong password").Problem(t, 400, "invalid_grant")
		require.Equal(t, before+1, hashes(t, h))
		for _, unknown := range []string{"bob@example.com", "no address", "deleted:1", strings.Repeat("a", 10_000), "\"x\"@y.z"} {
			before := hashes(t, h)
			response := trySignIn(t, client, unknown, "wrong password")
			require.Equal(t, string(wrong.Body), string(response.Body))
			require.Equal(t, before+1, hashes(t, h), "the same work is done for %.20q", unknown)
		}
	})
}

// hashes returns how many password hashes the service has computed.
func hashes(t *testing.T, h *servicetest.Harness) int {
	t.Helper()
	for line := range strings.Lines(string(h.Anonymous().Get(t, "/metrics").Body)) {
		if n, ok := strings.CutPrefix(line, "troupe_users_password_hashes_total "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			require.NoError(t, err)
			return int(value)
		}
	}
	require.Fail(t, "no such metric")
	return 0
}

// Guesses under other spellings of an address count for it; those at an address that only
// folds to it do not keep its owner waiting.
func TestEverySpellingOfAnAddressIsThrottledWithIt(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "kim@example.com")
		for range 10 {
			trySignIn(t, form(h), "\u212aim@example.com", "wrong password")
		}
		trySignIn(t, form(h), "\u212aim@example.com", goodPassword).Problem(t, 429, "sign_in_throttled")
		trySignIn(t, form(h), "kim@example.com", goodPassword).Want(t, 200)
		for _, spelling := range []string{"KIM@example.com", " kim@Example.com", "Kim@example.COM ", "kim@example.com", "kiM@example.com"} {
			trySignIn(t, form(h), spelling, "wrong password").Problem(t, 400, "invalid_grant")
		}
		trySignIn(t, form(h), "kim@example.com", goodPassword).Problem(t, 429, "sign_in_throttled")
	})
}

func TestGuessingIsLimitedForKnownAndUnknownAccounts(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		client := form(h).With("X-Request-Id", "same")
		history := func(email string) (lines []string) {
			for range 8 {
				response := trySignIn(t, client, email, "wrong password")
				lines = append(lines, fmt.Sprintf("%d %s %s", response.Status, response.Header("Retry-After"), response.Body))
			}
			return lines
		}
		known := history("ada@example.com")
		require.Equal(t, known, history("nobody@example.com"))
		require.True(t, strings.HasPrefix(known[4], "400"))
		require.True(t, strings.HasPrefix(known[5], "429 1 "))

		trySignIn(t, client, "ADA@example.com ", goodPassword).Problem(t, 429, "sign_in_throttled")
		h.Advance(time.Second)
		trySignIn(t, client, "ada@example.com", "wrong password").Problem(t, 400, "invalid_grant")
		require.Equal(t, "2", trySignIn(t, client, "ada@example.com", goodPassword).Header("Retry-After"), "twice as long")
		h.Advance(2 * time.Second)
		signIn(t, h, "ada@example.com", goodPassword)
		trySignIn(t, client, "ada@example.com", "wrong password").Problem(t, 400, "invalid_grant")
		require.Equal(t, "4", trySignIn(t, client, "ada@example.com", "wrong password").Header("Retry-After"),
			"otherwise others could make more guesses each time the owner has signed in")
	})
}

func TestNobodyIsLockedOutForMoreThan17Minutes(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		for range 30 {
			response := trySignIn(t, form(h), "ada@example.com", "wrong password")
			if response.Status == 429 {
				wait, err := strconv.Atoi(response.Header("Retry-After"))
				require.NoError(t, err)
				require.LessOrEqual(t, wait, 17*60)
				h.Advance(time.Duration(wait) * time.Second)
			}
		}
		h.Advance(17 * time.Minute)
		signIn(t, h, "ada@example.com", goodPassword)
	})
}

// The hashes take their usual time, so that the guesses are checked at the same time.
func TestConcurrentGuessesAreCountedOneByOne(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		statuses := concurrently(20, func(int) int { return trySignIn(t, form(h), "ada@example.com", "wrong password").Status })
		require.Equal(t, map[int]int{400: 5, 429: 15}, count(statuses))
	}, servicetest.Setting("USERS_PASSWORD_HASH_COST", "standard"))
}

// Two attempts are made at the same time, perhaps at two replicas. The later one may be
// counted first, and then the other must not be rejected as too early.
func TestTheEarlierOfTwoAttemptsMayBeCountedLater(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		trySignIn(t, form(h), "ada@example.com", "wrong password").Problem(t, 400, "invalid_grant")
		h.Advance(-time.Millisecond)
		trySignIn(t, form(h), "ada@example.com", goodPassword).Want(t, 200)
	})
}

func TestAnAddressIsLimitedAcrossAllAccounts(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		from := func(address string) *servicetest.Client { return form(h).With("X-Forwarded-For", address) }
		for i := range 30 {
			trySignIn(t, from("2001:db8::"+strconv.Itoa(i)), fmt.Sprintf("guess%d@example.com", i), "wrong password").Problem(t, 400, "invalid_grant")
		}
		trySignIn(t, from("2001:db8::ffff"), "ada@example.com", goodPassword).Problem(t, 429, "sign_in_throttled")
		trySignIn(t, from("198.51.100.1, 2001:db8::1"), "ada@example.com", goodPassword).Problem(t, 429, "sign_in_throttled")
		trySignIn(t, from("2001:db8::1, 198.51.100.1"), "ada@example.com", goodPassword).Want(t, 200)

		h.Advance(time.Second)
		trySignIn(t, from("2001:db8::1"), "ada@example.com", goodPassword).Want(t, 200)
		// A success does not shorten the wait after the next guess.
		trySignIn(t, from("2001:db8::1"), "bob@example.com", "wrong password").Problem(t, 400, "invalid_grant")
		require.Equal(t, "2", trySignIn(t, from("2001:db8::1"), "bob@example.com", "wrong password").Header("Retry-After"))
		trySignIn(t, from("2001:db8::1"), "ada@example.com", goodPassword).Problem(t, 429, "sign_in_throttled")
		h.Advance(20 * time.Minute)
		trySignIn(t, from("2001:db8::1"), "bob@example.com", "wrong password").Problem(t, 400, "invalid_grant")
		trySignIn(t, from("2001:db8::1"), "ada@example.com", goodPassword).Want(t, 200)
	})
}

func TestAForgeableAddressIsIgnored(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		client := form(h).With("X-Forwarded-For", "198.51.100.1")
		for i := range 40 {
			trySignIn(t, client, fmt.Sprintf("guess%d@example.com", i), "wrong password").Problem(t, 400, "invalid_grant")
		}
	}, servicetest.Setting("USERS_TRUST_FORWARDED_FOR", "false"))
}

func TestGuessingTheCurrentPasswordIsLimitedToo(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		thief := signedIn(t, h, "ada@example.com")
		guess := map[string]any{"current_password": "wrong password", "new_password": "a better password still"}
		for range 5 {
			thief.Post(t, "/users/me/password", guess).Problem(t, 422, "password_wrong")
		}
		thief.Post(t, "/users/me/password", guess).Problem(t, 429, "sign_in_throttled")
	})
}

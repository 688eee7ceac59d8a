package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// The gateway leaves the token of a public route to the service, which ignores one that is
// not valid (encode/django-rest-framework#7736).
func TestAPublicPageIsShownWithAnOldToken(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	old := w.token(t, auth.User)
	w.clock.advance(time.Hour)
	for _, authorization := range []string{"Bearer " + old, "Bearer rubbish", "Bearer  " + old} {
		r := w.call(t, "", "GET", "/products", "", "Authorization", authorization)
		require.Equal(t, []string{authorization}, r.received(t).Header["Authorization"])
		w.call(t, "", "GET", "/orders", "", "Authorization", authorization).problem(t, 401, map[bool]string{
			true: "token_invalid", false: "token_expired",
		}[authorization == "Bearer rubbish"])
	}
}

package console

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/platform/auth"
	"troupe/services/console/internal/store"
)

// answers is a connection to services that are all there.
type answers func(r *http.Request) string

// RoundTrip answers 200 unless the request was given up.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(a(r)))}, nil
}

func consoleWith(services answers) *console {
	peers := map[string]string{"users": "http://users"}
	for _, name := range polledServices {
		peers[name] = "http://" + name
	}
	return &console{Env: app.Env{Now: time.Now, Transport: services, Peers: peers}, sessions: newSessions()}
}

// goneAway is the context of a request whose client has gone away.
func goneAway(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestAClientThatGoesAwayDoesNotPreventTheCheckOfItsSession(t *testing.T) {
	t.Parallel()
	c := consoleWith(func(*http.Request) string { return `{"email":"ada@example.com"}` })
	caller := auth.Caller{UserID: "ada", SessionID: "s", Role: auth.Admin}
	require.NoError(t, c.confirm(goneAway(t), caller, "token", changesUnconfirmed))
	require.Equal(t, "ada@example.com", c.emailOf(caller), "users was asked")
}

func TestAClientThatGoesAwayDoesNotMakeServicesLookDown(t *testing.T) {
	t.Parallel()
	c := consoleWith(func(*http.Request) string { return `{"status":"ready"}` })
	for name, s := range (&poll{}).now(goneAway(t), c, "").services {
		require.Equal(t, "up", s.state, name)
	}
}

func TestAnEntryThatComesWhileOthersAreReadIsStreamedOnce(t *testing.T) {
	t.Parallel()
	found := []store.Entry{{Seq: 8}, {Seq: 11}}
	require.EqualValues(t, 11, positionAfter(found, 10, true), "entry 11 came after the last one was 10")
	require.EqualValues(t, 12, positionAfter(found, 12, true), "12 is not asked for")
	require.EqualValues(t, 11, positionAfter(found, 12, false), "12 is yet to be read")
	require.EqualValues(t, 10, positionAfter(nil, 10, true))
}

package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/httpapi/streamtest"
)

type tick struct {
	N int `json:"n"`
}

type ticksRequest struct{ httpapi.LastEvent }

// ticker is the source of a stream: what the test sends it.
type ticker struct {
	events chan httpapi.Event // closed: the stream ends
	fails  error
	ended  chan struct{}
	from   string // the id from which the last stream was opened
}

func newTicker() *ticker {
	return &ticker{events: make(chan httpapi.Event, 1000), ended: make(chan struct{}, 100)}
}

func (k *ticker) open(_ context.Context, r *ticksRequest) (httpapi.Source, func(), error) {
	k.from = r.ID()
	switch r.ID() {
	case "none":
		return nil, nil, nil
	case "bad":
		return nil, nil, fault.New(fault.Invalid, "bad_id", "send another id")
	}
	return k.next, func() { k.ended <- struct{}{} }, nil
}

func (k *ticker) next(ctx context.Context) ([]httpapi.Event, error) {
	select {
	case e, open := <-k.events:
		if !open {
			return nil, errors.Join(k.fails, io.EOF)
		}
		if e.Name == "" {
			return nil, k.fails
		}
		return []httpapi.Event{e}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serveTicks serves a stream of ticks, and returns its URL and a valid token.
func serveTicks(t *testing.T, k *ticker, configure func(*httpapi.Config)) (url, token string) {
	t.Helper()
	s := newShopThat(t, configure)
	httpapi.Stream(s.api, "/ticks", k.open, map[string]any{"tick": tick{}}, httpapi.Summary("Stream ticks"))
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	token, err := s.signer.Sign(auth.Caller{UserID: "ada", Role: auth.User, SessionID: "s", Expires: noon.Add(time.Minute)}, "1", noon)
	require.NoError(t, err)
	return server.URL + "/ticks", token
}

func TestEventsArriveAsTheyHappen(t *testing.T) {
	t.Parallel()
	k := newTicker()
	url, token := serveTicks(t, k, func(*httpapi.Config) {})
	stream := streamtest.Must(t, url, token, "")
	require.Equal(t, "no-store", stream.Response.Header.Get("Cache-Control"))
	for n := range 3 { // each is sent only after the one before has arrived
		k.events <- httpapi.Event{ID: "7", Name: "tick", Data: tick{n}}
		var got tick
		require.Equal(t, "7", stream.Next(t, "tick", &got).ID)
		require.Equal(t, n, got.N)
	}
	close(k.events)
	stream.Ends(t)
	<-k.ended
}

func TestAStreamIsLinesOfJSONForAClientThatAcceptsThem(t *testing.T) {
	t.Parallel()
	k := newTicker()
	url, token := serveTicks(t, k, func(c *httpapi.Config) { c.Stream.Heartbeat = time.Millisecond })
	for n := range 2 {
		k.events <- httpapi.Event{ID: strconv.Itoa(n + 7), Name: "tick", Data: tick{n}}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"?after=6", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/x-ndjson, text/event-stream;q=0.5")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, "application/x-ndjson", response.Header.Get("Content-Type"))
	close(k.events)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line != "\n" { // which only keeps the connection open
			lines = append(lines, line)
		}
	}
	require.Equal(t, []string{`{"id":"7","event":"tick","data":{"n":0}}` + "\n", `{"id":"8","event":"tick","data":{"n":1}}` + "\n"}, lines)
	require.Equal(t, "6", k.from)
}

func TestAStreamBeginsAfterTheClientsLastEvent(t *testing.T) {
	t.Parallel()
	k := newTicker()
	url, token := serveTicks(t, k, func(*httpapi.Config) {})
	streamtest.Must(t, url+"?after=12", token, "").Close()
	<-k.ended
	require.Equal(t, "12", k.from)
	streamtest.Must(t, url+"?after=12", token, "15").Close() // a browser repeats the URL
	<-k.ended
	require.Equal(t, "15", k.from)

	s, err := streamtest.Open(t.Context(), url, token, "none")
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.Equal(t, http.StatusNoContent, s.Response.StatusCode)
	s, err = streamtest.Open(t.Context(), url, token, "bad")
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.Equal(t, http.StatusUnprocessableEntity, s.Response.StatusCode)
	s, err = streamtest.Open(t.Context(), url, "", "")
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.Equal(t, http.StatusUnauthorized, s.Response.StatusCode)
}

func TestAStreamEndsWhenItsTokenExpires(t *testing.T) {
	t.Parallel()
	k := newTicker()
	clock := make(chan time.Time, 1)
	clock <- noon
	now := func() time.Time { at := <-clock; clock <- at; return at }
	key, err := auth.NewPrivateKey()
	require.NoError(t, err)
	signer, err := auth.NewSigner(key)
	require.NoError(t, err)
	url, _ := serveTicks(t, k, func(c *httpapi.Config) {
		c.Now, c.Stream.Recheck = now, 5*time.Millisecond
		c.Verifier = auth.NewVerifier(auth.VerifierConfig{Static: signer.JWKS(), Now: now})
	})
	token, err := signer.Sign(auth.Caller{UserID: "ada", Role: auth.User, SessionID: "s", Expires: noon.Add(time.Minute)}, "1", noon)
	require.NoError(t, err)
	stream := streamtest.Must(t, url, token, "")
	k.events <- httpapi.Event{ID: "1", Name: "tick", Data: tick{1}}
	stream.Next(t, "tick", nil)
	<-clock
	clock <- noon.Add(time.Hour)
	var end struct{ Reason string }
	stream.Next(t, "end", &end)
	require.Equal(t, "token_expired", end.Reason)
	stream.Ends(t)
	<-k.ended
}

func TestAStreamWithoutEventsSendsComments(t *testing.T) {
	t.Parallel()
	url, token := serveTicks(t, newTicker(), func(c *httpapi.Config) {
		c.Stream = httpapi.StreamTimes{Heartbeat: time.Millisecond, Recheck: time.Millisecond, Retry: 1500 * time.Millisecond}
	})
	stream := streamtest.Must(t, url, token, "")
	head := make([]byte, len("retry: 1500\n\n:\n\n:\n\n"))
	_, err := io.ReadFull(stream.Response.Body, head)
	require.NoError(t, err)
	require.Equal(t, "retry: 1500\n\n:\n\n:\n\n", string(head))
}

// A source that fails ends the stream, and the client continues with another one.
func TestAStreamWhoseSourceFailsEnds(t *testing.T) {
	t.Parallel()
	k := newTicker()
	k.fails = errors.New("the database does not answer")
	url, token := serveTicks(t, k, func(*httpapi.Config) {})
	stream := streamtest.Must(t, url, token, "")
	k.events <- httpapi.Event{}
	stream.Ends(t)
	<-k.ended
}

// A client that reads nothing takes a goroutine and a few buffers, and not for long.
func TestAClientThatReadsNothingLosesItsConnection(t *testing.T) {
	t.Parallel()
	k := newTicker()
	url, token := serveTicks(t, k, func(c *httpapi.Config) { c.Stream.Write = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/ticks"))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, "GET /ticks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+token+"\r\n\r\n")
	require.NoError(t, err)
	large := strings.Repeat("a", 1<<20)
	for {
		select {
		case k.events <- httpapi.Event{Name: "tick", Data: large}:
		case <-k.ended:
			return
		case <-time.After(30 * time.Second):
			require.Fail(t, "the stream goes on")
		}
	}
}

func TestAStreamIsDescribed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	httpapi.Stream(s.api, "/ticks", newTicker().open, map[string]any{"tick": tick{}}, httpapi.Summary("Stream ticks"))
	document, err := s.api.OpenAPI()
	require.NoError(t, err)
	var d struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct {
					Schema struct {
						Items struct{ OneOf []any }
					}
				}
			}
			Parameters []struct{ Name string }
		}
	}
	require.NoError(t, json.Unmarshal(document, &d))
	get := d.Paths["/ticks"]["get"]
	require.Len(t, get.Responses["200"].Content["text/event-stream"].Schema.Items.OneOf, 2, "tick and end")
	require.Contains(t, get.Responses, "204")
	require.Len(t, get.Parameters, 2)
}

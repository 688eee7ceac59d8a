package gateway_test

import (
	"bytes"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// openStreams opens streams for GET /plain on one connection of HTTP/2 and resets each at
// once, until the server ends the connection or as many are open as asked for.
func openStreams(t *testing.T, url string, streams int) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())
	go func() {
		for {
			if _, err := framer.ReadFrame(); err != nil {
				return
			}
		}
	}()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := range streams {
		block.Reset()
		for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", "/plain"}} {
			require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		id := uint32(2*i + 1)
		if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}) != nil ||
			framer.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			return // the server has ended the connection
		}
	}
}

// CVE-2023-44487: streams that are opened and reset cost the client almost nothing.
func TestStreamsThatAreResetAtOnceTakeNothingFromOthers(t *testing.T) { //nolint:paralleltest // it counts the goroutines of the whole process
	system, services := startServer(t, map[string]string{"TROUPE_H2C": "true"})
	defer func() { require.NoError(t, system.Stop()) }()
	services["notifications"].setHandler(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Honest") == "" {
			<-r.Context().Done() // as slow as the attacker can hope for
		}
	})
	url := system.URL("gateway")
	before := runtime.NumGoroutine()
	attack := make(chan struct{})
	go func() { defer close(attack); openStreams(t, url, 20_000) }()
	var most, honest int
	for done := false; !done; honest++ {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/plain", nil)
		require.NoError(t, err)
		request.Header.Set("X-Honest", "yes")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, 200, response.StatusCode, "honest request %d", honest)
		most = max(most, runtime.NumGoroutine()-before)
		select {
		case <-attack:
			done = true
		default:
		}
	}
	t.Logf("%d honest requests meanwhile; at most %d goroutines more", honest, most)
	require.Less(t, most, 2000, "handlers are bounded by the streams of a connection")
}

func TestResponsesOverHTTP2HaveTheirDeadlinesToo(t *testing.T) {
	t.Parallel()
	system, services := startServer(t, map[string]string{"TROUPE_H2C": "true", "GATEWAY_IDLE_TIMEOUT": "50ms"})
	defer func() { require.NoError(t, system.Stop()) }()
	services["notifications"].setHandler(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("begun"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // and then nothing
	})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	defer client.CloseIdleConnections()
	response, err := client.Get(system.URL("gateway") + "/plain")
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, "HTTP/2.0", response.Proto)
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	require.Error(t, err, "a response that broke off does not look complete")
	require.Equal(t, "begun", body.String())
}

package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/services/gateway"
)

// startServer runs the gateway on a port of its own, as app runs it, in front of stub
// services. The routes are those of streamRoutes.
func startServer(t *testing.T, environ map[string]string) (*app.System, map[string]*stubService) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(streamRoutes), 0o600))
	settings := map[string]string{"GATEWAY_LISTEN": "127.0.0.1:0", "GATEWAY_CONFIG": file, "TROUPE_DATA": t.TempDir()}
	all, services := []app.Service{gateway.Service}, map[string]*stubService{}
	for _, name := range names {
		services[name] = play(t, name)
		settings[strings.ToUpper(name)+"_URL"] = services[name].URL
		all = append(all, app.Service{Name: name})
	}
	maps.Copy(settings, environ)
	system, err := app.Start(t.Context(), app.Config{
		Services: all[:1], All: all, Environ: settings, Version: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	return system, services
}

func TestAStopEndsWebSocketsAndStreams(t *testing.T) {
	t.Parallel()
	system, services := startServer(t, nil)
	ended := make(chan websocket.StatusCode, 1)
	services["notifications"].setHandler(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.Header().Set("Content-Type", r.Header.Get("Accept"))
			_, _ = fmt.Fprint(w, "id: 7\ndata: x\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		if conn.Write(context.Background(), websocket.MessageText, []byte("hello")) == nil {
			_, _, err = conn.Read(context.Background())
		}
		ended <- websocket.CloseStatus(err)
	})
	url := system.URL("gateway")
	socket, _, err := websocket.Dial(t.Context(), url+"/socket", nil)
	require.NoError(t, err)
	streams := map[string]*http.Response{}
	for _, mediaType := range []string{"text/event-stream", "application/x-ndjson"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/socket", nil)
		require.NoError(t, err)
		request.Header.Set("Accept", mediaType)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		_, err = response.Body.Read(make([]byte, 5))
		require.NoError(t, err)
		streams[mediaType] = response
	}
	_, _, err = socket.Read(t.Context()) // from now on both ends use it
	require.NoError(t, err)

	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- system.Stop() }()
	_, _, err = socket.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "the client connects again")
	require.Equal(t, websocket.StatusGoingAway, <-ended, "the service knows too")
	for mediaType, stream := range streams {
		_, err := io.Copy(io.Discard, stream.Body)
		require.NoError(t, err, "%s ends without an error", mediaType)
	}
	require.NoError(t, <-stopped)
	require.Less(t, time.Since(began), 10*time.Second, "the stop does not wait for them")
}

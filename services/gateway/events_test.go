package gateway_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

func TestAnEventPassesAtOnce(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	sent := make(chan time.Time, 1)
	next := make(chan struct{}, 1)
	w.services["notifications"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for range next {
			sent <- time.Now()
			_, _ = fmt.Fprint(rw, "data: x\n\n")
			_ = http.NewResponseController(rw).Flush()
		}
	})
	const events = 101
	next <- struct{}{}
	lines := bufio.NewReader(w.open(t, "GET", "/notifications").Body)
	var delays []time.Duration
	for i := range events {
		_, err := lines.ReadString('\n')
		require.NoError(t, err)
		delays = append(delays, time.Since(<-sent))
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
		if i < events-1 {
			next <- struct{}{}
		}
	}
	close(next)
	slices.Sort(delays)
	median := delays[events/2]
	t.Logf("median %v, p90 %v", median, delays[events*9/10])
	require.Less(t, median, 5*time.Millisecond)
}

func TestAClientThatConnectsAgainNamesItsLastEvent(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	h := w.call(t, auth.User, "GET", "/notifications", "", "Last-Event-ID", "41", "Accept", "text/event-stream").received(t)
	require.Equal(t, "41", h.Header.Get("Last-Event-Id"))
	require.Equal(t, "text/event-stream", h.Header.Get("Accept"))
}

func TestCompressionIsBetweenClientAndService(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "hello")
	require.NoError(t, z.Close())
	w.services["inventory"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Asked", r.Header.Get("Accept-Encoding"))
		rw.Header().Set("Vary", "Accept-Encoding")
		rw.Header().Set("ETag", `"abc-gzip"`)
		if r.Header.Get("If-None-Match") == `"abc-gzip"` {
			rw.WriteHeader(http.StatusNotModified)
			return
		}
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write(packed.Bytes())
	})
	for _, asked := range []string{"gzip", "br, gzip;q=0.5", "identity"} {
		r := w.call(t, "", "GET", "/products", "", "Accept-Encoding", asked)
		require.Equal(t, asked, r.Header.Get("X-Asked"))
		require.Equal(t, "gzip", r.Header.Get("Content-Encoding"))
		require.Equal(t, []string{"Accept-Encoding"}, r.Header["Vary"])
		require.Equal(t, `"abc-gzip"`, r.Header.Get("ETag"))
		require.Equal(t, packed.Bytes(), r.body)
	}
	r := w.call(t, "", "GET", "/products", "")
	require.Empty(t, r.Header.Get("X-Asked"), "the gateway asks for nothing itself")
	r = w.call(t, "", "GET", "/products", "", "If-None-Match", `"abc-gzip"`)
	require.Equal(t, 304, r.StatusCode)
	require.Equal(t, `"abc-gzip"`, r.Header.Get("ETag"))
}

package netlimit_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/netlimit"
)

const (
	minRate = 1024
	grace   = 10 * time.Second
	drain   = time.Second
)

// client is a client's end of a connection to a server with the limits above. Time is
// that of a synctest bubble.
type client struct {
	net.Conn
	*bufio.Reader
	t     *testing.T
	began time.Time
}

// connect connects a client to a server of h, which a test in a bubble starts.
func connect(t *testing.T, h http.HandlerFunc) *client {
	limiter := netlimit.New(netlimit.Config{
		Connections: 10, ConnectionsPerClient: 10, MinRate: minRate, Grace: grace, Drain: drain,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	listener := &fakeListener{accepted: make(chan any), closed: make(chan struct{})}
	server := &http.Server{
		Handler: limiter.Handler(h), ConnContext: netlimit.ConnContext,
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 75 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	go func() { _ = server.Serve(limiter.Listener(listener)) }()
	ours, theirs := net.Pipe()
	listener.accepted <- theirs
	t.Cleanup(func() {
		_ = ours.Close()
		_ = server.Close()
	})
	return &client{Conn: ours, Reader: bufio.NewReader(ours), t: t, began: time.Now()}
}

func (c *client) send(text string) {
	_, err := io.WriteString(c.Conn, text)
	require.NoError(c.t, err)
}

// requireStatus reads one answer.
func (c *client) requireStatus(status int) {
	answer, err := http.ReadResponse(c.Reader, nil)
	require.NoError(c.t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, status, answer.StatusCode)
}

// requireClosed waits until the server closes the connection, which must be within
// the time since the connection was made.
func (c *client) requireClosed(within time.Duration) {
	_, err := io.Copy(io.Discard, c.Reader)
	require.NoError(c.t, err)
	require.LessOrEqual(c.t, time.Since(c.began), within)
}

func TestABodyThatNobodyReadsDoesNotHoldItsConnection(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]string{
		"announced length": "Content-Length: 1000\r\n\r\n",
		"large":            "Content-Length: 1000000\r\n\r\n",
		"chunked":          "Transfer-Encoding: chunked\r\n\r\n",
		"in half":          "Content-Length: 1000\r\n\r\nhalf of it",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, http.NotFound)
				c.send("POST /nothing HTTP/1.1\r\nHost: x\r\n" + headers)
				c.requireStatus(http.StatusNotFound)
				c.requireClosed(drain + time.Second)
			})
		})
	}
}

func TestAnAnswerThatNeedsNoBodyDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]string{
		"too large to discard": "Content-Length: 1000000\r\n\r\n",
		"sent only on request": "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, http.NotFound)
				c.send("POST /nothing HTTP/1.1\r\nHost: x\r\n" + headers)
				c.requireStatus(http.StatusNotFound)
				require.Zero(t, time.Since(c.began))
				c.requireClosed(drain + time.Second)
			})
		})
	}
}

func TestABodyNobodyReadsUnderALongAnswerEndsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 10_000)) // longer than what net/http buffers until the handler ends
		})
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		c.requireStatus(http.StatusOK)
		c.requireClosed(grace + drain + time.Second)
	})
}

func TestABodyThatDoesNotArriveEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bytes         int // sent every second
		earliest, end time.Duration
	}{
		"never":       {bytes: 0, earliest: grace, end: grace + 2*time.Second},
		"drip by one": {bytes: 1, earliest: grace, end: grace + 2*time.Second},
		"half rate":   {bytes: minRate / 2, earliest: 2*grace - 2*time.Second, end: 2*grace + 2*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := connect(t, readAll)
				client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
				dripped := make(chan struct{})
				go func() {
					defer close(dripped)
					drip(client, strings.Repeat("x", c.bytes), 100)
				}()
				client.requireStatus(http.StatusRequestTimeout)
				require.GreaterOrEqual(t, time.Since(client.began), c.earliest)
				client.requireClosed(c.end)
				<-dripped
			})
		})
	}
}

// readAll is a handler that reads the body and answers 200, or 408 if it is late.
func readAll(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusRequestTimeout)
	}
}

// drip sends the part every second.
func drip(to io.Writer, part string, times int) {
	for range times {
		<-time.After(time.Second)
		if _, err := io.WriteString(to, part); err != nil {
			return
		}
	}
}

func TestASlowButLiveUploadArrives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, readAll)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 122880\r\n\r\n")
		drip(c, strings.Repeat("x", 2*minRate), 60)
		c.requireStatus(http.StatusOK)
	})
}

func TestAReaderWhoTakesNothingDoesNotHoldItsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Time, 1)
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				if _, err := io.WriteString(w, strings.Repeat("x", 10_000)); err != nil {
					break
				}
			}
			ended <- time.Now()
		})
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.Equal(t, grace, (<-ended).Sub(c.began))
	})
}

func TestASlowReaderGetsALongAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 100*minRate))
		})
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		answer, err := http.ReadResponse(c.Reader, nil)
		require.NoError(t, err)
		for {
			<-time.After(time.Second)
			if _, err := io.CopyN(io.Discard, answer.Body, 2*minRate); errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
		require.Greater(t, time.Since(c.began), 4*grace)
	})
}

func TestAnEventStreamMayBeQuietForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for range 5 {
				<-time.After(10 * time.Minute)
				_, _ = io.WriteString(w, "data: x\n\n")
				require.NoError(t, http.NewResponseController(w).Flush())
			}
			require.NoError(t, r.Context().Err())
		})
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		c.requireStatus(http.StatusOK)
	})
}

func TestAConnectionIsKeptAfterABody(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"that was read": readAll,
		"that was not":  func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, h)
				for range 3 {
					c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwhole")
					c.requireStatus(http.StatusOK)
					<-time.After(time.Minute) // idle, which the server allows for 75 s
				}
			})
		})
	}
}

func TestALateBodyIsNotTakenForTheNextRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "/", r.URL.Path)
			_ = http.NewResponseController(w).EnableFullDuplex() // answers before the body has arrived
		})
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		c.requireStatus(http.StatusOK)
		<-time.After(drain + time.Millisecond)
		_, _ = io.WriteString(c.Conn, "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
		c.requireClosed(2 * drain)
	})
}

// The deadline of the connection is set rarely. One that is left over from an earlier
// answer must not end a later one, whose client has its full time.
func TestAnEarlierAnswerTakesNoTimeFromALaterOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.requireStatus(200)
		time.Sleep(grace / 2)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(grace - time.Second)
		c.requireStatus(200)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(2 * time.Second)
		c.requireClosed(2 * grace)
	})
}

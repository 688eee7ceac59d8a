// Package streamtest reads server-sent events in tests, as a browser does.
package streamtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long an event may take on a machine that is busy.
const patience = 30 * time.Second

// Event is an event that has arrived. Comments have neither a name nor data.
type Event struct{ ID, Name, Data string }

// Stream is an open stream.
type Stream struct {
	Response *http.Response
	lines    *bufio.Reader
	cancel   context.CancelFunc
	LastID   string // of the last event that arrived with one
}

// Open opens a stream. lastID is sent as Last-Event-ID unless it is empty.
func Open(ctx context.Context, url, token, lastID string) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		cancel()
		return nil, err
	}
	return &Stream{Response: response, lines: bufio.NewReader(response.Body), cancel: cancel, LastID: lastID}, nil
}

// Close disconnects.
func (s *Stream) Close() {
	s.cancel()
	_ = s.Response.Body.Close() // it ends with an error, because it was interrupted
}

// Must opens a stream that ends with the test, and requires that it is one.
func Must(t testing.TB, url, token, lastID string) *Stream {
	t.Helper()
	s, err := Open(t.Context(), url, token, lastID)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.Equal(t, http.StatusOK, s.Response.StatusCode)
	require.Equal(t, "text/event-stream", s.Response.Header.Get("Content-Type"))
	return s
}

// Read returns the next event with a name, or io.EOF when the stream has ended.
func (s *Stream) Read() (Event, error) {
	var e Event
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return Event{}, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Name = value
		case "data":
			e.Data = value
		case "":
			if e.ID != "" {
				s.LastID = e.ID
			}
			if e.Name != "" {
				return e, nil
			}
		}
	}
}

// Next requires an event of that name and decodes its data, unless into is nil.
func (s *Stream) Next(t testing.TB, name string, into any) Event {
	t.Helper()
	stop := time.AfterFunc(patience, s.cancel)
	defer stop.Stop()
	e, err := s.Read()
	require.NoError(t, err, "waiting for the event %s", name)
	require.Equal(t, name, e.Name, "%s", e.Data)
	if into != nil {
		require.NoError(t, json.Unmarshal([]byte(e.Data), into), e.Data)
	}
	return e
}

// Ends requires that the stream ends without a further event.
func (s *Stream) Ends(t testing.TB) {
	t.Helper()
	stop := time.AfterFunc(patience, s.cancel)
	defer stop.Stop()
	e, err := s.Read()
	require.True(t, errors.Is(err, io.EOF), fmt.Sprint(e, err))
}

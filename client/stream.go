package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// silence is how long a live stream may send nothing, not even a comment, before its
// connection counts as lost. Troupe sends a comment every 15 seconds.
const silence = time.Minute

var errSilent = errors.New("the stream has been silent for too long")

// StreamEvent is an event of a live stream. Its data is JSON.
type StreamEvent struct{ ID, Name, Data string }

// Stream calls each with the events of the live stream at path, until the stream ends, each
// returns an error, or ctx ends. It continues after the event lastID, or begins with what is new if that is "".
func (c *Client) Stream(ctx context.Context, path, lastID string, each func(StreamEvent) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer silent.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	for name, value := range map[string]string{"Authorization": bearer(c.token), "Last-Event-ID": lastID} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := (&http.Client{Transport: c.http.Transport}).Do(request) // without a limit of time
	if err != nil {
		return fmt.Errorf("is the system running? %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		return problem(response, answer)
	}
	err = readEvents(response.Body, func() { silent.Reset(silence) }, each)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func bearer(token string) string {
	if token == "" {
		return ""
	}
	return "Bearer " + token
}

// longestEvent is how many bytes a line of a stream may have.
const longestEvent = 4 << 20

// readEvents calls each with every event of a stream until it ends, and alive with every line.
func readEvents(stream io.Reader, alive func(), each func(StreamEvent) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, longestEvent)
	var e StreamEvent
	for lines.Scan() {
		alive()
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			e.ID = value
		case "event":
			e.Name = value
		case "data":
			e.Data = value
		case "":
			if e.Name != "" {
				if err := each(e); err != nil {
					return err
				}
			}
			e = StreamEvent{}
		}
	}
	return lines.Err()
}

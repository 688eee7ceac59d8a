package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"troupe/platform/ascii"
	"troupe/platform/fault"
)

// The media types of streams: server-sent events, and a JSON object on each line.
const (
	eventStream = "text/event-stream"
	jsonLines   = "application/x-ndjson"
)

// StreamTimes are the times of live streams. A zero field means its default.
type StreamTimes struct {
	Heartbeat time.Duration // how often a stream without events sends a comment: 15 s
	Recheck   time.Duration // how soon a stream ends after its token has expired or its session ended: 1 s
	Write     time.Duration // how long a client may take to accept what is sent to it: 10 s
	Retry     time.Duration // when a client whose connection ended connects again: 2 s
}

func (t StreamTimes) withDefaults() StreamTimes {
	return StreamTimes{
		Heartbeat: cmp.Or(t.Heartbeat, 15*time.Second), Recheck: cmp.Or(t.Recheck, time.Second),
		Write: cmp.Or(t.Write, 10*time.Second), Retry: cmp.Or(t.Retry, 2*time.Second),
	}
}

// Event is a server-sent event. A client that connects again sends the last ID.
type Event struct {
	ID   string
	Name string
	Data any // encoded as JSON
}

// Source returns the events that follow in a stream. It waits until there are some, or
// until ctx ends. With io.EOF the stream ends after the events that it returned.
type Source func(ctx context.Context) ([]Event, error)

// LastEvent is embedded in the input of a stream: where the client continues.
type LastEvent struct {
	Header string `header:"Last-Event-ID" maxLength:"64" doc:"The id of the last event that arrived; browsers send it by themselves"`
	After  string `query:"after" maxLength:"64" doc:"The same for a first request; a Last-Event-ID takes precedence"`
}

// ID returns the id of the last event that the client has received, "" if it did not
// name one.
func (l LastEvent) ID() string { return cmp.Or(l.Header, l.After) }

type streamResponse struct {
	Body func(huma.Context)
}

// Stream adds a GET operation that answers with server-sent events (the media type
// text/event-stream), each of which is sent at once. A client that accepts
// application/x-ndjson, and not server-sent events before it, gets the same as lines of JSON.
// open returns their source and what
// to do when the stream has ended; without a source the answer is 204, which makes
// browsers stop connecting again. events describes the data of each event by its name.
//
// The caller's token is checked again and again: a stream ends when the token expires or
// its session ends. Its last event is then named end, with the reason as its data. A
// client that does not accept what is sent loses its connection, and continues later.
func Stream[In any](a *API, path string, open func(context.Context, *In) (Source, func(), error), events map[string]any, o ...Option) {
	describe := func(o *operation) {
		o.events = map[string]any{"end": Ended{}}
		maps.Copy(o.events, events)
	}
	Get(a, path, func(ctx context.Context, in *In) (*streamResponse, error) {
		source, end, err := open(ctx, in)
		if err != nil {
			return nil, err
		}
		return &streamResponse{func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			if end != nil {
				defer end()
			}
			a.serveStream(w, r, source)
		}}, nil
	}, append(o, describe)...)
}

func (a *API) serveStream(w http.ResponseWriter, r *http.Request, source Source) {
	if source == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	mediaType := streamType(r.Header)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Add("Vary", "Accept")
	w.Header().Set("X-Accel-Buffering", "no") // nginx in front of the gateway must not collect events
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	s := &stream{api: a, w: w, control: http.NewResponseController(w), request: r, times: a.config.Stream.withDefaults(), lines: mediaType == jsonLines}
	err := s.run(source)
	if err != nil && r.Context().Err() == nil {
		a.config.Log.WarnContext(r.Context(), "a live stream has ended early; its client connects again", "path", truncate(r.URL.Path), "error", err)
	}
}

// streamType returns the media type that the client accepts first, of those that a stream has.
func streamType(h http.Header) string {
	for accepted := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		switch name, _, _ := strings.Cut(accepted, ";"); ascii.Lower(strings.TrimSpace(name)) {
		case eventStream:
			return eventStream
		case jsonLines:
			return jsonLines
		}
	}
	return eventStream
}

// describeEvents describes a response of server-sent events or lines of JSON, and the 204 of
// a stream that has ended for good.
func describeEvents(op *huma.Operation, schemas huma.Registry, events map[string]any) {
	var kinds []any
	for _, name := range slices.Sorted(maps.Keys(events)) {
		kinds = append(kinds, &huma.Schema{
			Type: huma.TypeObject,
			Properties: map[string]*huma.Schema{
				"id":    {Type: huma.TypeString, Description: "Send the last one as Last-Event-ID to continue"},
				"event": {Type: huma.TypeString, Enum: []any{name}},
				"data":  schemas.Schema(reflect.TypeOf(events[name]), true, name),
			},
			Required: []string{"event", "data"},
		})
	}
	sequence := &huma.MediaType{Schema: &huma.Schema{
		Type: huma.TypeArray, Items: &huma.Schema{Extensions: map[string]any{"oneOf": kinds}},
	}}
	op.Responses["200"] = &huma.Response{
		Description: "Server-sent events, each as it happens; lines that begin with a colon only keep the connection open. " +
			"With Accept: application/x-ndjson the same as JSON objects, one on each line; empty lines only keep the connection open.",
		Content: map[string]*huma.MediaType{eventStream: sequence, jsonLines: sequence},
	}
	op.Responses["204"] = &huma.Response{Description: "Nothing will follow: do not connect again."}
}

// stream is one open stream of events.
type stream struct {
	api     *API
	w       http.ResponseWriter
	control *http.ResponseController
	request *http.Request
	times   StreamTimes
	lines   bool      // it is sent as lines of JSON
	sent    time.Time // when something was sent last
}

// run sends events until the source, the client or the session ends.
func (s *stream) run(source Source) error {
	if s.send(s.beginning()) != nil {
		return nil // the client has gone
	}
	for {
		if err := s.stillAuthorized(); err != nil {
			return s.sendAll([]Event{{Name: "end", Data: Ended{Reason: err.Code}}})
		}
		ctx, cancel := context.WithTimeout(s.request.Context(), s.times.Recheck)
		events, err := source(ctx)
		cancel()
		switch {
		case s.request.Context().Err() != nil:
			return nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, io.EOF):
			return err
		}
		if s.sendAll(events) != nil || errors.Is(err, io.EOF) {
			return nil // a client that has gone, or does not read, continues with another connection
		}
	}
}

// beginning returns what is sent first, so that the client has the headers: when to connect
// again, for which lines of JSON have no place.
func (s *stream) beginning() string {
	if s.lines {
		return "\n"
	}
	return "retry: " + strconv.FormatInt(s.times.Retry.Milliseconds(), 10) + "\n\n"
}

// Ended is the data of the event end.
type Ended struct {
	Reason string `json:"reason" example:"token_expired" doc:"token_expired, session_revoked, or why nothing follows"`
}

// stillAuthorized returns why the caller's token is no longer accepted, nil if it is. An
// outage of the key set ends no stream.
func (s *stream) stillAuthorized() *fault.Error {
	token, err := BearerToken(s.request.Header)
	if err != nil || token == "" || s.api.config.Verifier == nil {
		return nil
	}
	_, err = s.api.config.Verifier.Verify(s.request.Context(), token)
	refusal, _ := errors.AsType[*fault.Error](err)
	if refusal == nil || refusal.Kind != fault.Unauthenticated {
		return nil
	}
	return refusal
}

// sendAll sends events, or what a client passes over if there is none and the last was long
// ago.
func (s *stream) sendAll(events []Event) error {
	write, comment := Event.write, ":\n\n"
	if s.lines {
		write, comment = Event.writeLine, "\n"
	}
	var b strings.Builder
	for _, e := range events {
		if err := write(e, &b); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		if time.Since(s.sent) < s.times.Heartbeat {
			return nil
		}
		b.WriteString(comment)
	}
	return s.send(b.String())
}

func (s *stream) send(text string) error {
	s.sent = time.Now()
	_ = s.control.SetWriteDeadline(s.sent.Add(s.times.Write)) // without a connection, as in tests, there is no deadline
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil {
		return err
	}
	_ = s.control.SetWriteDeadline(time.Time{}) // likewise
	return nil
}

// write writes the event in the syntax of text/event-stream. JSON has no line breaks.
func (e Event) write(b *strings.Builder) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return err
	}
	if e.ID != "" {
		b.WriteString("id: " + e.ID + "\n")
	}
	if e.Name != "" {
		b.WriteString("event: " + e.Name + "\n")
	}
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	return nil
}

// writeLine writes the event as a line of JSON.
func (e Event) writeLine(b *strings.Builder) error {
	line, err := json.Marshal(struct {
		ID   string `json:"id,omitempty"`
		Name string `json:"event,omitempty"`
		Data any    `json:"data"`
	}(e))
	b.Write(line)
	b.WriteByte('\n')
	return err
}

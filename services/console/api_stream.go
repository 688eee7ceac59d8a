package console

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"troupe/patterns/feed"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/view"
)

const (
	journalTopic  = "journal"
	streams       = 200                    // of a replica
	streamsOfUser = 20                     // tabs of one admin
	feedEvery     = 500 * time.Millisecond // how often what other replicas have kept is looked for
	streamBatch   = 200                    // entries that are sent at once
	// behind is how many entries a client may be behind. What is older is skipped, and the
	// client is told how much that was.
	behind        = 5000
	overviewEvery = 2 * time.Second
)

var errInvalidEventID = fault.New(fault.Invalid, "last_event_id_invalid",
	"the id of the last event must be one that this stream has sent; leave it out to begin with what is new")

type streamRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Type          string `query:"type" maxLength:"100" doc:"The type of the event, such as order.created.v1"`
	Service       string `query:"service" maxLength:"100"`
	Order         string `query:"order" maxLength:"100" doc:"The id of an order"`
	Outcome       string `query:"outcome" enum:"ok,duplicate,retry,dead," doc:"Of attempts to handle an event"`
	httpapi.LastEvent
}

// skipped is the data of the event gap.
type skipped struct {
	Lost int64 `json:"lost" doc:"how many entries were skipped, because the client was too slow or continues after entries that are deleted"`
}

// newFeed returns the feed that wakes the streams. Its position is the number of the last entry.
func (c *console) newFeed() *feed.Feed {
	return feed.New(feed.Config{Most: streams, PerUser: streamsOfUser, Positions: func(ctx context.Context, topics []string) (map[string]int64, error) {
		last, err := store.Last(ctx, c.DB)
		positions := map[string]int64{}
		for _, topic := range topics {
			positions[topic] = last
		}
		return positions, err
	}})
}

func (c *console) registerStream(api *httpapi.API) {
	httpapi.Stream(api, "/console/api/stream", c.stream, map[string]any{"entry": view.Entry{}, "overview": view.Overview{}, "gap": skipped{}},
		httpapi.RequireRole(auth.Admin), httpapi.Summary("Stream events, attempts and the overview as they change"))
}

// stream begins after the entry that the client has received last, or with what is new.
func (c *console) stream(ctx context.Context, in *streamRequest) (httpapi.Source, func(), error) {
	last, err := store.Last(ctx, c.DB)
	if err != nil {
		return nil, nil, err
	}
	position := last
	if id := in.ID(); id != "" {
		if position, err = strconv.ParseInt(id, 10, 64); err != nil || position < 0 {
			return nil, nil, errInvalidEventID
		}
		position = min(position, last)
	}
	reader, err := c.changes.Open(auth.CallerOf(ctx).UserID, journalTopic)
	if err != nil {
		return nil, nil, err
	}
	s := &entryStream{console: c, ctx: ctx, authorization: in.Authorization, filter: store.Filter{Type: in.Type, Service: in.Service, Order: in.Order, Outcome: in.Outcome}, reader: reader, position: position, resumes: in.ID() != ""}
	return s.next, reader.Close, nil
}

// entryStream is one open stream.
type entryStream struct {
	*console
	ctx           context.Context // of the request
	authorization string
	filter        store.Filter
	reader        *feed.Reader
	position      int64     // of the last entry that was looked at
	resumes       bool      // after an entry that the client has named
	waits         bool      // all that was there has been sent
	overview      time.Time // when the overview was sent last
}

// next implements httpapi.Source.
func (s *entryStream) next(wait context.Context) ([]httpapi.Event, error) {
	if s.waits {
		err := s.reader.Wait(wait)
		if errors.Is(err, feed.ErrStopped) {
			return nil, io.EOF // the client connects again, to another replica
		}
		if err != nil && s.ctx.Err() != nil {
			return nil, err
		}
	}
	events, err := s.entries()
	if err != nil {
		return nil, err
	}
	if now := s.Now(); now.Sub(s.overview) >= overviewEvery {
		s.overview = now
		if token, found := strings.CutPrefix(s.authorization, "Bearer "); found {
			if err := s.confirm(s.ctx, auth.CallerOf(s.ctx), token, readsUnconfirmed); err != nil { // the stream ends with the session
				return append(events, httpapi.Event{Name: "end", Data: httpapi.Ended{Reason: fault.CodeOf(err)}}), io.EOF
			}
		}
		o, err := s.overviewNow(s.ctx, s.authorization)
		if err != nil {
			return nil, err
		}
		events = append(events, httpapi.Event{Name: "overview", Data: o})
	}
	return events, nil
}

// missed returns how many entries after the position are not sent: those that are too many, and
// those that are deleted, which is looked for when a client continues.
func (s *entryStream) missed(last int64) (int64, error) {
	first := last - behind
	if s.resumes {
		oldest, err := store.Oldest(s.ctx, s.DB, last)
		if err != nil {
			return 0, err
		}
		s.resumes = false
		first = max(first, oldest-1)
	}
	return first - s.position, nil
}

// entries returns what follows the last entry, after a gap if that is too much.
func (s *entryStream) entries() (events []httpapi.Event, err error) {
	last, err := store.Last(s.ctx, s.DB)
	if err != nil {
		return nil, err
	}
	lost, err := s.missed(last)
	if err != nil {
		return nil, err
	}
	if lost > 0 {
		s.position += lost
		events = append(events, httpapi.Event{Name: "gap", Data: skipped{lost}})
	}
	if s.position == last {
		s.waits = true
		return events, nil
	}
	after := s.position
	if after == 0 {
		after = -1 // 0 would mean the newest
	}
	found, err := store.Entries(s.ctx, s.DB, s.filter, after, streamBatch)
	if err != nil {
		return nil, err
	}
	for _, e := range entriesOf(found) {
		events = append(events, httpapi.Event{ID: strconv.FormatInt(e.Seq, 10), Name: "entry", Data: e})
	}
	s.waits = len(found) < streamBatch
	s.position = positionAfter(found, last, s.waits)
	return events, nil
}

// positionAfter returns the number of the last entry that was looked at. Entries may have come after
// the number of the last one was read, and be among those that were found.
func positionAfter(found []store.Entry, last int64, all bool) int64 {
	switch {
	case len(found) == 0:
		return last
	case all:
		return max(last, found[len(found)-1].Seq)
	}
	return found[len(found)-1].Seq
}

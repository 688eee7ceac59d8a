package notifications

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"troupe/patterns/feed"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/store"
)

const (
	streamBatch = 100                    // entries that a stream reads at a time
	feedEvery   = 500 * time.Millisecond // how often entries that other replicas have added are looked for
)

var errInvalidEventID = fault.New(fault.Invalid, "last_event_id_invalid",
	"the id of the last event must be one that this stream has sent; leave it out to begin with what is new")

type streamRequest struct{ httpapi.LastEvent }

// unreadCount is the data of the event unread, and the response with the same number.
type unreadCount struct {
	Unread int `json:"unread" doc:"How many notifications are unread"`
}

// serveStream adds the live stream of the inbox.
func (s *service) serveStream(api *httpapi.API) {
	httpapi.Stream(api, "/notifications/stream", s.streamNotifications,
		map[string]any{"notification": entry{}, "unread": unreadCount{}},
		httpapi.Summary("Stream my notifications as they arrive"))
}

// newFeed returns the feed of the inboxes. Its topics are the ids of users.
func (s *service) newFeed() *feed.Feed {
	return feed.New(feed.Config{
		Most: s.Streams, PerUser: s.StreamsPerUser,
		Positions: func(ctx context.Context, userIDs []string) (map[string]int64, error) {
			return store.Positions(ctx, s.DB, userIDs)
		},
	})
}

// streamNotifications begins after the event that the client has received last, or with
// what is new. The first event states how many notifications are unread.
func (s *service) streamNotifications(ctx context.Context, r *streamRequest) (httpapi.Source, func(), error) {
	userID := auth.CallerOf(ctx).UserID
	reader, err := s.inboxes.Open(userID, userID)
	if err != nil {
		return nil, nil, err
	}
	in := &inboxStream{service: s, ctx: ctx, userID: userID, reader: reader, unread: -1}
	if in.position, err = s.startOf(ctx, userID, r.ID()); err != nil {
		reader.Close()
		return nil, nil, err
	}
	return in.next, reader.Close, nil
}

// startOf returns the position after which a stream begins. One beyond the end, which a
// restored database can lead to, is the end.
func (s *service) startOf(ctx context.Context, userID, lastEventID string) (int64, error) {
	end, err := store.PositionOf(ctx, s.DB, userID)
	if err != nil || lastEventID == "" {
		return end, err
	}
	position, err := strconv.ParseInt(lastEventID, 10, 64)
	if err != nil || position < 0 {
		return 0, errInvalidEventID
	}
	return min(position, end), nil
}

// inboxStream is one open stream of an inbox.
type inboxStream struct {
	*service
	ctx      context.Context // of the request
	userID   string
	reader   *feed.Reader
	position int64 // of the last entry that was sent
	unread   int   // that was sent last; -1: none yet
	waits    bool  // all that was there has been sent
}

// next implements httpapi.Source.
func (in *inboxStream) next(wait context.Context) ([]httpapi.Event, error) {
	for {
		if in.waits {
			if err := in.reader.Wait(wait); err != nil {
				return nil, endOfStream(err)
			}
			in.waits = false
		}
		events, err := in.read()
		if err != nil || len(events) > 0 {
			return events, err
		}
	}
}

// endOfStream returns the error of a reader as that of a source: a service that stops ends
// its streams without an error, so that their clients connect again.
func endOfStream(err error) error {
	if errors.Is(err, feed.ErrStopped) {
		return io.EOF
	}
	return err
}

// read returns what follows in the inbox. After the last entry comes the number of unread
// ones, if it has changed.
func (in *inboxStream) read() ([]httpapi.Event, error) {
	stored, err := store.EntriesAfter(in.ctx, in.DB, in.userID, in.position, streamBatch)
	if err != nil {
		return nil, err
	}
	entries, err := in.renderEntries(in.ctx, in.userID, stored)
	if err != nil {
		return nil, err
	}
	var events []httpapi.Event
	position := in.position
	for i, e := range entries {
		position = stored[i].Position
		events = append(events, httpapi.Event{ID: strconv.FormatInt(position, 10), Name: "notification", Data: e})
	}
	if len(stored) < streamBatch {
		unread, err := store.CountUnread(in.ctx, in.DB, in.userID)
		if err != nil {
			return nil, err
		}
		if unread != in.unread {
			in.unread = unread
			events = append(events, httpapi.Event{ID: strconv.FormatInt(position, 10), Name: "unread", Data: unreadCount{unread}})
		}
		in.waits = true
	}
	in.position = position
	return events, nil
}

// numberEntries gives positions to entries of an earlier version; see
// store.NumberEntries.
func (s *service) numberEntries(ctx context.Context) (numbered int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		users, err := store.NumberEntries(ctx, tx)
		numbered = len(users)
		tx.OnCommit(func() { s.changed(users...) })
		return err
	})
	return numbered, err
}

// changed wakes the streams of the users on this replica.
func (s *service) changed(userIDs ...string) {
	for _, id := range userIDs {
		s.inboxes.Changed(id)
	}
}

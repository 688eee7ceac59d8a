package orders

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
	"troupe/platform/timestamp"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

// feedEvery is how often changes by other replicas are looked for.
const feedEvery = 500 * time.Millisecond

var errInvalidEventID = fault.New(fault.Invalid, "last_event_id_invalid",
	"the id of the last event must be one that this stream has sent; leave it out to begin with the present state")

// orderStatus is the data of the event order: what changes of an order.
type orderStatus struct {
	ID           string         `json:"id" format:"uuid"`
	Status       string         `json:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	PaymentState string         `json:"payment_state" enum:"none,authorized,captured,declined,voided,refunded,unknown"`
	StockState   string         `json:"stock_state" enum:"none,reserved,rejected,committed,released"`
	CancelReason string         `json:"cancel_reason,omitempty" enum:"stock_rejected,payment_declined,deadline,customer,admin,capture_failed"`
	UpdatedAt    timestamp.Time `json:"updated_at"`
	Version      int64          `json:"version"`
}

type streamOrderRequest struct {
	ID string `path:"id" maxLength:"100" doc:"The order's id"`
	httpapi.LastEvent
}

// newFeed returns the feed of the orders. Its topics are their ids, its positions their
// versions.
func (s *service) newFeed() *feed.Feed {
	return feed.New(feed.Config{
		Most: s.Streams, PerUser: s.StreamsPerUser,
		Positions: func(ctx context.Context, ids []string) (map[string]int64, error) {
			return store.Versions(ctx, s.DB, ids)
		},
	})
}

func (s *service) serveStream(api *httpapi.API) {
	httpapi.Stream(api, "/orders/{id}/stream", s.streamOrder, map[string]any{"order": orderStatus{}},
		httpapi.Summary("Stream the status of an order until it is final"))
}

// streamOrder begins with the present state, unless the client has it. A stream of an
// order that changes no more has no source once its client has the last state.
func (s *service) streamOrder(ctx context.Context, in *streamOrderRequest) (httpapi.Source, func(), error) {
	o, err := s.readable(ctx, in.ID)
	if err != nil {
		return nil, nil, err
	}
	received := int64(-1)
	if id := in.LastEvent.ID(); id != "" {
		if received, err = strconv.ParseInt(id, 10, 64); err != nil || received < 0 {
			return nil, nil, errInvalidEventID
		}
	}
	if o.IsClosed() && received >= o.Version {
		return nil, nil, nil
	}
	reader, err := s.changes.Open(auth.CallerOf(ctx).UserID, o.ID)
	if err != nil {
		return nil, nil, err
	}
	stream := &orderStream{service: s, ctx: ctx, id: o.ID, reader: reader, version: min(received, o.Version)}
	return stream.next, reader.Close, nil
}

// orderStream is one open stream of an order.
type orderStream struct {
	*service
	ctx     context.Context // of the request
	id      string
	reader  *feed.Reader
	version int64 // that was sent last
	waits   bool  // the present state has been sent
}

// next implements httpapi.Source. States that follow each other quickly are skipped: the
// last one is always sent.
func (s *orderStream) next(wait context.Context) ([]httpapi.Event, error) {
	for {
		if s.waits {
			if err := s.reader.Wait(wait); errors.Is(err, feed.ErrStopped) {
				return nil, io.EOF // the client connects again, to another replica
			} else if err != nil {
				return nil, err
			}
			s.waits = false
		}
		o, err := store.Get(s.ctx, s.DB, s.id)
		if err != nil {
			return nil, err
		}
		s.waits = true
		if o.Version == s.version {
			continue
		}
		s.version = o.Version
		events := []httpapi.Event{{ID: strconv.FormatInt(o.Version, 10), Name: "order", Data: statusOf(o)}}
		if o.IsClosed() {
			return append(events, httpapi.Event{Name: "end", Data: httpapi.Ended{Reason: "final"}}), io.EOF
		}
		return events, nil
	}
}

func statusOf(o *order.Order) orderStatus {
	return orderStatus{
		ID: o.ID, Status: string(o.Status), PaymentState: string(o.PaymentState()), StockState: string(o.StockState()),
		CancelReason: string(o.Reason), UpdatedAt: timestamp.Of(o.UpdatedAt), Version: o.Version,
	}
}

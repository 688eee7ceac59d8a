package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"troupe/patterns/audit"
	"troupe/patterns/event"
	"troupe/patterns/eventfeed"
	"troupe/patterns/feed"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

var errNotPublic = fault.New(fault.NotFound, "events_not_public", "events are not published for programs outside: set EVENTS_PUBLIC=true for all services")

// eventsAPI has the operations with which programs outside read and publish events. Their
// paths name the service, so that the gateway can route them.
type eventsAPI struct {
	feed *eventfeed.Feed // nil unless EVENTS_PUBLIC is set
	env  Env
}

// APIKey is embedded in the input of the operations for programs outside.
type APIKey struct {
	Key string `header:"X-API-Key" maxLength:"100" doc:"The key of the client; an admin creates it"`
}

// authenticate returns the client with the key.
func (a *eventsAPI) authenticate(ctx context.Context, k APIKey) (eventfeed.Client, error) {
	if a.feed == nil {
		return eventfeed.Client{}, errNotPublic
	}
	return a.feed.Authenticate(ctx, k.Key)
}

type readEventsRequest struct {
	APIKey
	After int64 `query:"after" minimum:"0" doc:"The cursor that the last answer named as next; 0 begins with the oldest event that is kept"`
	Limit int   `query:"limit" minimum:"1" maximum:"200" default:"100"`
	Wait  int   `query:"wait" minimum:"0" maximum:"20" doc:"How many seconds to wait for an event if there is none"`
}

type eventsPage struct {
	Events []json.RawMessage `json:"events" doc:"CloudEvents 1.0, in the order in which they were published"`
	Next   int64             `json:"next" doc:"Pass as after to continue; store it with what you have done with the events"`
}

type readEventsResponse struct{ Body eventsPage }

// read answers with what follows the cursor. If nothing does, it waits.
func (a *eventsAPI) read(ctx context.Context, r *readEventsRequest) (*readEventsResponse, error) {
	client, err := a.authenticate(ctx, r.APIKey)
	if err != nil {
		return nil, err
	}
	page := eventsPage{Events: []json.RawMessage{}, Next: r.After}
	in := &eventSource{feed: a.feed, client: client, position: r.After, limit: r.Limit}
	if r.Wait > 0 {
		if in.reader, err = a.feed.Open(client); err != nil {
			return nil, err
		}
		defer in.reader.Close()
	}
	wait, cancel := context.WithTimeout(ctx, time.Duration(r.Wait)*time.Second)
	defer cancel()
	events, err := in.next(ctx, wait)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, feed.ErrStopped) {
		return nil, err
	}
	for _, e := range events {
		page.Events = append(page.Events, e.Body)
	}
	page.Next = in.position
	return &readEventsResponse{page}, nil
}

// eventSource reads a feed for one client.
type eventSource struct {
	feed     *eventfeed.Feed
	client   eventfeed.Client
	reader   *feed.Reader // nil: it does not wait
	position int64        // of the last event that was looked at
	limit    int
}

// pagesAtOnce is how many pages a request looks at before it is answered, even without an
// event. So a client that may read few of many events makes progress within any timeout.
const pagesAtOnce = 100

// next returns the events that follow. It waits for some until wait ends.
func (s *eventSource) next(ctx, wait context.Context) ([]eventfeed.Logged, error) {
	for pages := 1; ; pages++ {
		page, err := s.feed.Read(ctx, s.client, s.position, s.limit)
		if err != nil {
			return nil, err
		}
		s.position = page.Next
		if len(page.Events) > 0 || s.reader == nil && !page.More || page.More && pages >= pagesAtOnce {
			return page.Events, nil
		}
		if page.More {
			continue
		}
		if err := s.reader.Wait(wait); err != nil {
			return nil, err
		}
	}
}

type streamEventsRequest struct {
	APIKey
	httpapi.LastEvent
}

// stream sends events as server-sent events. It ends when the key is revoked.
func (a *eventsAPI) stream(ctx context.Context, r *streamEventsRequest) (httpapi.Source, func(), error) {
	client, err := a.authenticate(ctx, r.APIKey)
	if err != nil {
		return nil, nil, err
	}
	after, err := strconv.ParseInt("0"+r.ID(), 10, 64)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "last_event_id_invalid", "the id of the last event must be one that this stream has sent; leave it out to begin with the oldest")
	}
	if err := a.feed.CheckPosition(ctx, after); err != nil {
		return nil, nil, err
	}
	reader, err := a.feed.Open(client)
	if err != nil {
		return nil, nil, err
	}
	in := &eventSource{feed: a.feed, client: client, reader: reader, position: after, limit: 100}
	return func(wait context.Context) ([]httpapi.Event, error) { return a.sendable(ctx, wait, in, r.APIKey) }, reader.Close, nil
}

// sendable returns what follows as server-sent events, for as long as the key is valid.
func (a *eventsAPI) sendable(ctx, wait context.Context, in *eventSource, key APIKey) ([]httpapi.Event, error) {
	if _, err := a.authenticate(ctx, key); fault.Is(err, fault.Unauthenticated) {
		return []httpapi.Event{{Name: "end", Data: httpapi.Ended{Reason: "api_key_unknown"}}}, io.EOF
	}
	logged, err := in.next(ctx, wait)
	if errors.Is(err, feed.ErrStopped) {
		err = io.EOF
	}
	events := make([]httpapi.Event, len(logged))
	for i, e := range logged {
		events[i] = httpapi.Event{ID: strconv.FormatInt(e.Position, 10), Name: "event", Data: e.Body}
	}
	return events, err
}

type publishEventRequest struct {
	APIKey
	Body outsideEvent
}

// outsideEvent is a CloudEvent of a program outside.
type outsideEvent struct {
	SpecVersion     string          `json:"specversion" enum:"1.0"`
	ID              string          `json:"id" minLength:"1" maxLength:"200" doc:"Unique among the events of this source; a repetition with the same id has no effect"`
	Source          string          `json:"source" minLength:"1" maxLength:"100" doc:"The name of the client" example:"erp"`
	Type            string          `json:"type" minLength:"1" maxLength:"200" example:"product.changed.v1"`
	Time            timestamp.Time  `json:"time,omitzero" doc:"When it happened; now if it is left out"`
	Subject         string          `json:"subject,omitempty" maxLength:"200"`
	DataContentType string          `json:"datacontenttype,omitempty" enum:"application/json"`
	DataSchema      string          `json:"dataschema,omitempty" maxLength:"500"`
	CorrelationID   string          `json:"correlationid,omitempty" maxLength:"200" doc:"What it is about, for example an order"`
	CausationID     string          `json:"causationid,omitempty" maxLength:"200"`
	Traceparent     string          `json:"traceparent,omitempty" maxLength:"100"`
	Data            json.RawMessage `json:"data" doc:"As the JSON Schema of the type has it: GET /docs/events/TYPE.json"`
}

type eventReceipt struct {
	ID        string `json:"id" doc:"The id under which the event is published"`
	Duplicate bool   `json:"duplicate" doc:"Whether it had been received before"`
}

type publishEventResponse struct{ Body eventReceipt }

// publish adds an event of a client to the outbox.
func (a *eventsAPI) publish(ctx context.Context, r *publishEventRequest) (*publishEventResponse, error) {
	client, err := a.authenticate(ctx, r.APIKey)
	if err != nil {
		return nil, err
	}
	b := r.Body
	e := event.Envelope{
		ID: b.ID, Source: b.Source, Type: b.Type, DataSchema: b.DataSchema, Subject: b.Subject, Time: b.Time.Time,
		CorrelationID: b.CorrelationID, CausationID: b.CausationID, Traceparent: b.Traceparent, Data: b.Data,
	}
	var receipt eventfeed.Receipt
	err = a.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		receipt, err = a.feed.Receive(ctx, tx, client, e)
		return err
	})
	return &publishEventResponse{eventReceipt(receipt)}, err
}

type eventClient struct {
	ID        string         `json:"id" readOnly:"true"`
	Name      string         `json:"name" pattern:"^[a-z][a-z0-9-]{0,49}$" doc:"The source of its events" example:"erp"`
	Reads     []string       `json:"reads,omitempty" maxItems:"50" doc:"The types of events that it may read; * for all" example:"[\"*\"]"`
	Publishes []string       `json:"publishes,omitempty" maxItems:"50" doc:"The types of events that it may publish"`
	Key       string         `json:"key,omitempty" readOnly:"true" doc:"What it sends as X-API-Key. Only in the response to its creation or rotation; keep it"`
	CreatedAt timestamp.Time `json:"created_at,omitzero" readOnly:"true"`
}

func viewOfClient(c eventfeed.Client, key string) eventClient {
	return eventClient{ID: c.ID, Name: c.Name, Reads: c.Reads, Publishes: c.Publishes, Key: key, CreatedAt: timestamp.Of(c.CreatedAt)}
}

type createClientRequest struct{ Body eventClient }

type clientResponse struct{ Body eventClient }

func (a *eventsAPI) createClient(ctx context.Context, r *createClientRequest) (*clientResponse, error) {
	if a.feed == nil {
		return nil, errNotPublic
	}
	var created eventfeed.Client
	var key string
	err := a.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		created, key, err = a.feed.Create(ctx, tx, eventfeed.Client{Name: r.Body.Name, Reads: r.Body.Reads, Publishes: r.Body.Publishes})
		if err != nil {
			return err
		}
		return a.env.Audit.Record(ctx, tx, audit.Entry{Action: "create_event_client", Target: created.ID, Detail: created.Name})
	})
	if err != nil {
		return nil, err
	}
	return &clientResponse{viewOfClient(created, key)}, nil
}

type eventClientList struct {
	Items []eventClient `json:"items"`
}

type listClientsResponse struct{ Body eventClientList }

func (a *eventsAPI) listClients(ctx context.Context, _ *struct{}) (*listClientsResponse, error) {
	if a.feed == nil {
		return nil, errNotPublic
	}
	clients, err := a.feed.Clients(ctx)
	list := eventClientList{Items: []eventClient{}}
	for _, c := range clients {
		list.Items = append(list.Items, viewOfClient(c, ""))
	}
	return &listClientsResponse{list}, err
}

type oneClientRequest struct {
	ID string `path:"id" maxLength:"100"`
}

// rotateClient gives a client another key. It keeps its name, and so the ids of its events.
func (a *eventsAPI) rotateClient(ctx context.Context, r *oneClientRequest) (*clientResponse, error) {
	if a.feed == nil {
		return nil, errNotPublic
	}
	var rotated eventfeed.Client
	var key string
	err := a.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if rotated, key, err = a.feed.Rotate(ctx, tx, r.ID); err != nil {
			return err
		}
		return a.env.Audit.Record(ctx, tx, audit.Entry{Action: "rotate_event_client", Target: r.ID, Detail: rotated.Name})
	})
	if err != nil {
		return nil, err
	}
	return &clientResponse{viewOfClient(rotated, key)}, nil
}

func (a *eventsAPI) deleteClient(ctx context.Context, r *oneClientRequest) (*struct{}, error) {
	if a.feed == nil {
		return nil, errNotPublic
	}
	return nil, a.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := a.feed.Delete(ctx, tx, r.ID); err != nil {
			return err
		}
		return a.env.Audit.Record(ctx, tx, audit.Entry{Action: "delete_event_client", Target: r.ID})
	})
}

// serveEvents adds the operations for programs outside.
func serveEvents(api *httpapi.API, service string, a *eventsAPI) {
	path, admin := "/events/"+service, httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, path, a.read, httpapi.Anonymous(), httpapi.Summary("Read the events of "+service))
	httpapi.Stream(api, path+"/stream", a.stream, map[string]any{"event": outsideEvent{}}, httpapi.Anonymous(),
		httpapi.Summary("Stream the events of "+service))
	httpapi.Post(api, path, a.publish, httpapi.Anonymous(), httpapi.Status(http.StatusAccepted), httpapi.BodyLimit(httpapi.MaxBody),
		httpapi.Summary("Publish an event of "+service))
	httpapi.Post(api, path+"/clients", a.createClient, admin, httpapi.Status(http.StatusCreated), httpapi.Summary("Create a client for the events of "+service))
	httpapi.Get(api, path+"/clients", a.listClients, admin, httpapi.Summary("List the clients of the events of "+service))
	httpapi.Post(api, path+"/clients/{id}/rotate", a.rotateClient, admin, httpapi.Summary("Give a client of the events of "+service+" another key"))
	httpapi.Delete(api, path+"/clients/{id}", a.deleteClient, admin, httpapi.Summary("Revoke a client of the events of "+service))
}

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/services/console"
)

// playing plays a service: it is ready, and answers other paths with what the test sets.
func playing(service string, answers map[string]string) servicetest.Option {
	return servicetest.Peer(service, func(*servicetest.Harness) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer, found := answers[r.URL.Path]
			if !found && r.URL.Path != "/readyz" {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = w.Write([]byte(answer))
		})
	})
}

// down plays a service whose connections break.
func down(service string) servicetest.Option {
	return servicetest.Peer(service, func(*servicetest.Harness) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
}

// attention is an entry of what needs a look.
type attention struct {
	Kind, Title, Link string
	Count             int
	Since             time.Time
}

// needsAttention returns what the overview shows, beside the other services, which do not run.
func needsAttention(t *testing.T, h *servicetest.Harness, admin string) []attention {
	t.Helper()
	var overview struct{ Attention []attention }
	h.As(admin, auth.Admin).Get(t, "/console/api/overview").Want(t, 200).JSON(t, &overview)
	return overview.Attention
}

func TestTheOverviewShowsWhatNeedsAttention(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		options []servicetest.Option
		happens func(t *testing.T, h *servicetest.Harness)
		want    attention
	}{
		"orders that are stuck": {
			happens: func(t *testing.T, h *servicetest.Harness) {
				h.Journaled(t, created("o1", h.Now()), created("o2", h.Now().Add(time.Minute)))
				h.Advance(7 * time.Minute)
			},
			want: attention{"stuck_orders", "2 orders have waited for longer than 5 minutes", "/orders?status=pending", 2, noon},
		},
		"dead letters": {
			options: []servicetest.Option{playing("payments", map[string]string{"/metrics": `troupe_inbox_parked_events{state="dead"} 3`})},
			want:    attention{"dead_letters", "3 dead letters of payments", "/dead-letters", 3, noon},
		},
		"a circuit of the gateway that is open": {
			options: []servicetest.Option{playing("gateway", map[string]string{
				"/admin/breakers": `{"items":[{"upstream":"users","state":"CLOSED"},{"upstream":"orders","state":"OPEN","since":"2026-01-01T11:59:00Z"}]}`,
			})},
			want: attention{"breaker", "The circuit of gateway to orders is open", "/services", 1, noon.Add(-time.Minute)},
		},
		"a circuit of a service that is open": {
			happens: func(t *testing.T, h *servicetest.Harness) {
				h.Journaled(t, journal.Record{Kind: journal.Switched, Service: "payments", At: h.Now(), Breaker: &journal.Breaker{Dependency: "provider", From: "CLOSED", To: "OPEN"}})
			},
			want: attention{"breaker", "The circuit of payments to provider is open", "/services", 1, noon},
		},
		"an outbox that stands still": {
			options: []servicetest.Option{playing("orders", map[string]string{"/metrics": "troupe_outbox_pending_events 12\ntroupe_outbox_oldest_event_age_seconds 31\n"})},
			want:    attention{"outbox", "12 events of orders wait to be published", "/services", 12, noon.Add(-31 * time.Second)},
		},
		"deliveries to customers that fail": {
			happens: func(t *testing.T, h *servicetest.Harness) {
				h.Journaled(t, journal.Record{
					Kind: journal.Published, At: h.Now(), Service: "notifications",
					Event: &journal.Event{ID: "e1", Type: "notification.failed.v1", Data: []byte(`{"delivery_id":"d1"}`)},
				})
			},
			want: attention{"deliveries", "1 message to customers failed in the last 15 minutes", "/mails", 1, noon},
		},
		"a service that is down": {
			options: []servicetest.Option{down("inventory")},
			want:    attention{"service", "inventory: it does not answer", "/services", 1, noon},
		},
		"a service that works without the broker": {
			options: []servicetest.Option{playing("orders", map[string]string{"/readyz": `{"status":"degraded","reason":"the broker is away"}`})},
			want:    attention{"service", "orders: the broker is away", "/services", 1, noon},
		},
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
				if c.happens != nil {
					require.Empty(t, needsAttention(t, h, "ada"))
					c.happens(t, h)
					h.Advance(3 * time.Second) // the answers of the services are asked for again
				}
				require.Equal(t, []attention{c.want}, needsAttention(t, h, "bea"))
			}, c.options...)
		})
	}
}

func TestTheOverviewShowsTheQueueOfAServiceBesideWhatIsParked(t *testing.T) {
	metrics := "troupe_bus_queue_messages 40\ntroupe_inbox_parked_events{state=\"retry\"} 2\ntroupe_outbox_pending_events 5\n"
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Get(t, "/console/api/overview").Want(t, 200, "topology.nodes.4.name", "payments",
			"topology.nodes.4.queue", 40, "topology.nodes.4.parked", 2, "topology.nodes.4.outbox", 5, "tiles.3.id", "backlog", "tiles.3.value", 47)
		ada.Get(t, "/console/api/services").Want(t, 200, "items.4.queue", 40, "items.4.parked", 2)
	}, playing("payments", map[string]string{"/metrics": metrics}))
}

// requests are those that a played service got, by harness: the tests of the databases run at
// the same time.
type requests struct {
	mu  sync.Mutex
	all map[*servicetest.Harness][]*url.URL
}

func (q *requests) add(h *servicetest.Harness, r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all == nil {
		q.all = map[*servicetest.Harness][]*url.URL{}
	}
	q.all[h] = append(q.all[h], r.URL)
}

// of returns the requests for a path.
func (q *requests) of(h *servicetest.Harness, path string) (found []*url.URL) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, u := range q.all[h] {
		if u.Path == path {
			found = append(found, u)
		}
	}
	return found
}

func (q *requests) count(h *servicetest.Harness, path string) int { return len(q.of(h, path)) }

// However many admins look, and however often their pages ask, a service is asked every three
// seconds at most.
func TestAllWhoLookShareTheAnswersOfTheServices(t *testing.T) {
	var all requests
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada, bea := h.As("ada", auth.Admin), h.As("bea", auth.Admin)
		stream := openStream(t, h, ada, "", "")
		stream.Next(t, "overview", nil)
		for range 10 {
			ada.Get(t, "/console/api/overview").Want(t, 200)
			bea.Get(t, "/console/api/overview").Want(t, 200)
		}
		asked := func() []int {
			return []int{all.count(h, "/admin/breakers"), all.count(h, "/admin/journal"), all.count(h, "/metrics")}
		}
		require.Equal(t, []int{1, 1, 1}, asked())
		stream.Close()
		h.Advance(3 * time.Second)
		ada.Get(t, "/console/api/overview").Want(t, 200)
		require.Equal(t, []int{2, 2, 2}, asked())
	}, servicetest.Peer("gateway", func(h *servicetest.Harness) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			all.add(h, r)
			_, _ = w.Write([]byte(`{"items":[]}`))
		})
	}))
}

// A gateway with a process of its own cannot send its journal, so it is asked for it: each
// record once, whichever replica answers.
func TestSpansAndCircuitsOfTheGatewayAreReadFromIt(t *testing.T) {
	var all requests
	page := func(instance, last string, spans ...string) string {
		var items []string
		for _, id := range spans {
			items = append(items, `{"kind":"span","service":"gateway","instance":"`+instance+`","at":"2026-01-01T12:00:00Z","span":{"trace_id":"t-`+id+`","span_id":"`+id+
				`","name":"POST /orders","kind":"server","started_at":"2026-01-01T12:00:00Z","ended_at":"2026-01-01T12:00:01Z"}}`)
		}
		return `{"instance":"` + instance + `","last":` + last + `,"items":[` + strings.Join(items, ",") + `]}`
	}
	pages := []string{page("a:1", "2", "1", "2"), page("b:1", "1", "x"), page("a:1", "3", "1", "2", "3"), page("a:1", "3")}
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		for _, want := range []int{2, 3, 4, 4} {
			wantItems(t, ada.Get(t, "/console/api/traces"), want)
		}
		var asked []string
		for _, u := range all.of(h, "/admin/journal") {
			asked = append(asked, u.Query().Get("after"))
		}
		require.Equal(t, []string{"/0", "a:1/2", "b:1/1", "a:1/3"}, asked)
		ada.Get(t, "/console/api/traces/t-3").Want(t, 200, "spans.0.service", "gateway", "spans.1", nil)
	}, servicetest.Peer("gateway", func(h *servicetest.Harness) http.Handler {
		answered := 0 // one request at a time
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/admin/journal" {
				all.add(h, r)
				_, _ = w.Write([]byte(pages[min(answered, len(pages)-1)]))
				answered++
			}
		})
	}))
}

// Under load the journal keeps few spans, but all requests count.
func TestTheOverviewShowsTheTrueRateOfRequestsUnderLoad(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		kept := 0
		j := journal.New(journal.Config{Instance: "host:1", PerSecond: 4, Now: h.Now})
		j.SendTo(func(records []journal.Record) error {
			kept += len(records)
			h.Journaled(t, records...)
			return nil
		})
		orders := j.Recorder("orders")
		for second := range 10 {
			h.Advance(time.Second)
			for n := range 100 {
				if trace := fmt.Sprint(second, "/", n); orders.KeepsSpan("", trace, false) {
					orders.Span("", journal.Span{TraceID: trace, SpanID: trace, Kind: "server", EndedAt: h.Now()})
				}
				orders.Served()
			}
			_, err := j.Step(t.Context())
			require.NoError(t, err)
		}
		require.Less(t, kept, 200, "of 1,000 requests")
		var overview struct {
			Topology struct {
				Edges []struct {
					From, To string
					Rate     float64
				}
			}
		}
		h.As("ada", auth.Admin).Get(t, "/console/api/overview").Want(t, 200).JSON(t, &overview)
		rates := map[string]float64{}
		for _, e := range overview.Topology.Edges {
			rates[e.From+" "+e.To] = e.Rate
		}
		require.InDelta(t, 100, rates["gateway orders"], 0.001)
	})
}

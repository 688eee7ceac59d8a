package ui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services/console/internal/view"
)

// goldens are orders, an overview and events, as the console makes them of records.
const goldens = "../../ui/testdata"

// fixtures answers the calls of the pages from files, and sends a stream of events.
type fixtures struct {
	orders map[string]json.RawMessage // by id
	named  map[string]string          // file of an order to its id
	files  map[string]json.RawMessage
	rate   atomic.Int64 // events per second in the stream
	seq    atomic.Int64
	acted  atomic.Pointer[string] // the body of the last change
	placed atomic.Bool            // whether a sample order was placed that the stream has not shown yet
	faults atomic.Bool            // whether a fault of the lab is active
}

func newFixtures(t *testing.T) *fixtures {
	t.Helper()
	f := &fixtures{orders: map[string]json.RawMessage{}, named: map[string]string{}, files: map[string]json.RawMessage{}}
	names, err := filepath.Glob(goldens + "/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for i, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		base := strings.TrimSuffix(filepath.Base(name), ".json")
		if !strings.HasPrefix(base, "order-") {
			f.files[base] = content
			continue
		}
		var o map[string]any
		require.NoError(t, json.Unmarshal(content, &o))
		id := fmt.Sprintf("0198b4c2-7b19-7000-8000-0000000000%02d", i)
		o["id"] = id
		f.orders[id], err = json.Marshal(o)
		require.NoError(t, err)
		f.named[strings.TrimPrefix(base, "order-")] = id
	}
	f.seq.Store(1000)
	return f
}

func (f *fixtures) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/console/", Handler())
	get := func(path string, value any) {
		mux.HandleFunc("GET /console/api/"+path, func(w http.ResponseWriter, _ *http.Request) { answer(w, value) })
	}
	mux.HandleFunc("GET /console/api/session", f.session)
	mux.HandleFunc("POST /console/api/login", f.login)
	get("orders", f.files["orders"])
	get("events", f.files["events"])
	get("dead-letters", deadLetterGroups())
	get("dead-letters/{group}", deadLetters())
	get("services", services())
	get("traces", traces(f.spans()))
	get("traces/{id}", view.Trace{TraceID: traceID, Spans: f.spans()})
	get("mails", view.Mails{Items: mails()})
	get("mails/{id}", mails()[0])
	get("actions", actions())
	mux.HandleFunc("GET /console/api/overview", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.overview()) })
	mux.HandleFunc("GET /console/api/lab", func(w http.ResponseWriter, _ *http.Request) { answer(w, view.Lab{Items: f.lab()}) })
	mux.HandleFunc("GET /console/api/orders/{id}", f.order)
	mux.HandleFunc("GET /console/api/stream", f.stream)
	mux.HandleFunc("POST /console/api/", f.change)
	mux.HandleFunc("DELETE /console/api/", f.change)
	mux.HandleFunc("GET /test/orders", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.named) })
	mux.HandleFunc("GET /test/acted", func(w http.ResponseWriter, _ *http.Request) { answer(w, *f.acted.Load()) })
	mux.HandleFunc("POST /test/rate/{n}", func(_ http.ResponseWriter, r *http.Request) {
		var n int64
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		f.rate.Store(n)
	})
	mux.HandleFunc("POST /test/fault/{active}", func(_ http.ResponseWriter, r *http.Request) { f.faults.Store(r.PathValue("active") == "true") })
	return mux
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "detail": detail})
}

// session is that of an admin, unless the browser has the cookie that a test sets.
func (f *fixtures) session(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie("signed_out"); err == nil && cookie.Value != "" {
		problem(w, http.StatusUnauthorized, "sign in first")
		return
	}
	answer(w, view.Session{Email: "admin@shop.example", Environment: "development", Lab: true, Version: "v1.0.0", JaegerURL: "http://127.0.0.1:16686"})
}

func (f *fixtures) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Email, Password string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Password != "right password" {
		problem(w, http.StatusUnauthorized, "The email or the password is wrong: try again.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "signed_out", Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	answer(w, struct{}{})
}

func (f *fixtures) order(w http.ResponseWriter, r *http.Request) {
	order, known := f.orders[r.PathValue("id")]
	if !known {
		problem(w, http.StatusNotFound, "There is no such order: look for it in the list.")
		return
	}
	answer(w, order)
}

// change answers every call that changes something, if it has the header that the
// console's own pages send.
func (f *fixtures) change(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Troupe-Console") != "1" {
		problem(w, http.StatusForbidden, "the header X-Troupe-Console is missing")
		return
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	acted := fmt.Sprintf("%s %s %v", r.Method, r.URL.Path, body)
	f.acted.Store(&acted)
	switch {
	case strings.Contains(r.URL.Path, "/dead-letters/"):
		answer(w, view.Replayed{DryRun: body["dry_run"] == true, Count: 12})
	case strings.HasSuffix(r.URL.Path, "/sample-order"):
		f.placed.Store(true)
		answer(w, map[string]string{"order_id": f.named["paid"]})
	default:
		answer(w, struct{}{})
	}
}

// stream sends events in bundles of a tenth of a second, and an overview every two seconds.
func (f *fixtures) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for tick := 0; ; tick++ {
		if tick%20 == 0 {
			send(w, "overview", 0, f.overview())
		}
		for range f.rate.Load() / 10 {
			seq := f.seq.Add(1)
			send(w, "entry", seq, f.entry(seq))
		}
		if f.placed.Swap(false) {
			e := f.entry(f.seq.Add(1))
			e.OrderID = f.named["paid"]
			send(w, "entry", e.Seq, e)
		}
		if flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-ticks.C:
		}
	}
}

func send(w http.ResponseWriter, event string, id int64, value any) {
	data, _ := json.Marshal(value)
	if id > 0 {
		_, _ = fmt.Fprintf(w, "id: %d\n", id)
	}
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data)
}

// spans returns those of an order among the goldens that has some.
func (f *fixtures) spans() []view.Span {
	return []view.Span{
		{TraceID: traceID, SpanID: "01", Service: "gateway", Name: "POST /orders", Kind: "server", StartedAt: start, Took: 14_200},
		{TraceID: traceID, SpanID: "02", ParentID: "01", Service: "orders", Name: "POST /orders", Kind: "server", StartedAt: start.Add(time.Millisecond), Took: 11_800},
		{TraceID: traceID, SpanID: "03", ParentID: "02", Service: "orders", Name: "INSERT orders", Kind: "client", StartedAt: start.Add(3 * time.Millisecond), Took: 6_100, Attributes: map[string]string{"db.system.name": "sqlite"}},
		{TraceID: traceID, SpanID: "04", ParentID: "02", Service: "orders", Name: "publish order.created.v1", Kind: "producer", StartedAt: start.Add(14 * time.Millisecond), Took: 2_100},
		{TraceID: traceID, SpanID: "05", ParentID: "04", Service: "payments", Name: "process order.created.v1", Kind: "consumer", StartedAt: start.Add(18 * time.Millisecond), Took: 31_000, Links: []string{"4bf92f3577b34da6a3ce929d0e0e4799"}},
		{TraceID: traceID, SpanID: "06", ParentID: "05", Service: "payments", Name: "authorize", Kind: "client", StartedAt: start.Add(20 * time.Millisecond), Took: 27_000, Error: "card_declined"},
	}
}

package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"troupe/patterns/audit"
	"troupe/patterns/retry"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/services/console/internal/view"
)

var errNoLab = fault.New(fault.NotFound, "no_lab", "there is no lab in production; it runs where TROUPE_ENV is development")

// lab causes faults at the services, and remembers the last run of each.
type lab struct {
	console  *console
	customer sampleCustomer

	mu   sync.Mutex
	runs map[string]labRun // by the id of the fault
}

// labRun is the last run of a fault.
type labRun struct {
	endsAt           time.Time
	orderID, problem string
}

type labResponse struct{ Body view.Lab }

type endFaultRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Fault         string `path:"fault" maxLength:"50" doc:"The id of a fault"`
}

type runFaultRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Fault         string `path:"fault" maxLength:"50" doc:"The id of a fault"`
	Seconds       int    `query:"seconds" minimum:"1" maximum:"120" default:"20" doc:"When the fault ends by itself"`
}

type labFaultResponse struct{ Body view.Fault }

func (c *console) registerLab(api *httpapi.API) {
	c.lab = &lab{console: c, runs: map[string]labRun{}}
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/console/api/lab", c.lab.list, admin, httpapi.Summary("List the faults that the lab can cause"))
	httpapi.Post(api, "/console/api/lab/{fault}", c.lab.run, admin, httpapi.Summary("Cause a fault and place the order that shows it"))
	httpapi.Delete(api, "/console/api/lab/{fault}", c.lab.end, admin, httpapi.Summary("End a fault of the lab"))
}

func (l *lab) list(context.Context, *struct{}) (*labResponse, error) {
	if l.console.Production {
		return nil, errNoLab
	}
	list := view.Lab{Items: make([]view.Fault, len(labFaults))}
	for i, f := range labFaults {
		list.Items[i] = l.view(f)
	}
	return &labResponse{list}, nil
}

// view returns a fault with what its last run did.
func (l *lab) view(f labFault) view.Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := view.Fault{ID: f.id, Title: f.title, Expect: f.expect}
	if run, ran := l.runs[f.id]; ran {
		v.OrderID, v.Problem = run.orderID, run.problem
		if run.endsAt.After(l.console.Now()) {
			v.Active, v.EndsAt = true, &run.endsAt
		}
	}
	return v
}

// active returns the faults that are active now.
func (l *lab) active() []view.Fault {
	faults := []view.Fault{}
	for _, f := range labFaults {
		if v := l.view(f); v.Active {
			faults = append(faults, v)
		}
	}
	return faults
}

func (l *lab) setRun(id string, run labRun) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[id] = run
}

// find returns a fault that may be caused now.
func (l *lab) find(id string) (labFault, error) {
	switch f, found := findFault(id); {
	case l.console.Production:
		return f, errNoLab
	case !found:
		return f, fault.Missing("fault", id, "GET /console/api/lab lists them")
	case l.console.Mode != modeFull:
		return f, errShowsOnly
	default:
		return f, nil
	}
}

// run causes a fault and places the order that shows it.
func (l *lab) run(ctx context.Context, r *runFaultRequest) (*labFaultResponse, error) {
	f, err := l.find(r.Fault)
	if err != nil {
		return nil, err
	}
	if err := l.console.recordAction(ctx, audit.Entry{Action: "run_fault", Target: f.id}); err != nil {
		return nil, err
	}
	order, err := l.prepare(ctx, f, r.Authorization)
	if err != nil {
		return nil, err
	}
	run := labRun{}
	if f.isTemporary() {
		run.endsAt = l.console.Now().Add(durationOf(r.Seconds))
	}
	err = l.start(ctx, f, r.Seconds, r.Authorization)
	if err == nil {
		run.orderID, err = l.place(ctx, order)
	}
	if err == nil && f.poison != nil {
		err = l.poison(ctx, *f.poison, run.orderID, r.Authorization)
	}
	if err != nil {
		l.stop(context.WithoutCancel(ctx), f, r.Authorization)
		return nil, fault.New(fault.Unavailable, "fault_not_caused", "the lab could not cause this fault: %v; try again when all services run", err).WithCause(err)
	}
	l.setRun(f.id, run)
	return &labFaultResponse{l.view(f)}, nil
}

// isTemporary reports whether something is out of order until the fault ends.
func (f labFault) isTemporary() bool { return len(f.at) > 0 || f.breaker != "" }

// start causes the fault where it belongs.
func (l *lab) start(ctx context.Context, f labFault, seconds int, authorization string) error {
	for _, at := range f.at {
		err := l.console.callPeer(ctx, peerRequest{
			service: at.service, method: http.MethodPost, path: "/lab/faults", authorization: authorization,
			body: map[string]any{"name": at.name, "seconds": int(durationOf(seconds).Seconds())},
		}, nil)
		if err != nil {
			return err
		}
	}
	if f.breaker != "" {
		body := map[string]any{"state": "forced_open", "reason": "the lab", "seconds": int(durationOf(seconds).Seconds())}
		return l.force(ctx, f.breaker, body, authorization)
	}
	return l.provokeAt(ctx, f.provoke)
}

func (l *lab) force(ctx context.Context, upstream string, body map[string]any, authorization string) error {
	return l.console.callPeer(ctx, peerRequest{
		service: "gateway", method: http.MethodPut, path: "/admin/breakers/" + upstream, authorization: authorization, body: body,
	}, nil)
}

// provocations is how many requests fail until a circuit is open.
const provocations = 12

// provokeAt sends requests that fail, as customers would, until the circuit is open.
func (l *lab) provokeAt(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	for range provocations {
		if err := l.console.getPeer(ctx, "gateway", path, "", nil); ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// stop ends the fault at once, as far as the services can be reached. What is left ends by
// itself.
func (l *lab) stop(ctx context.Context, f labFault, authorization string) (problems []string) {
	for _, at := range f.at {
		err := l.console.callPeer(ctx, peerRequest{
			service: at.service, method: http.MethodDelete, path: "/lab/faults/" + url.PathEscape(at.name), authorization: authorization,
		}, nil)
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	if f.breaker != "" {
		if err := l.force(ctx, f.breaker, map[string]any{"state": "auto", "reason": "the lab"}, authorization); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// end ends a fault before its time.
func (l *lab) end(ctx context.Context, r *endFaultRequest) (*labFaultResponse, error) {
	f, err := l.find(r.Fault)
	if err != nil {
		return nil, err
	}
	if err := l.console.recordAction(ctx, audit.Entry{Action: "end_fault", Target: f.id}); err != nil {
		return nil, err
	}
	problems := l.stop(ctx, f, r.Authorization)
	l.mu.Lock()
	run := l.runs[f.id]
	run.problem = strings.Join(problems, "; ")
	if run.problem == "" {
		run.endsAt = time.Time{}
	}
	l.runs[f.id] = run
	l.mu.Unlock()
	return &labFaultResponse{l.view(f)}, nil
}

// poison has a service publish an event about the order that one consumer cannot read.
func (l *lab) poison(ctx context.Context, p poisonAt, orderID, authorization string) error {
	return l.console.callPeer(ctx, peerRequest{
		service: p.publisher, method: http.MethodPost, path: "/lab/poison", authorization: authorization,
		body: map[string]string{"type": p.eventType, "consumer": p.consumer, "order_id": orderID},
	}, nil)
}

// labOrder is an order that is about to be placed.
type labOrder struct {
	token  string
	item   sampleItem
	method string
}

// prepare finds what to order and signs the sample customer in, while all services work.
func (l *lab) prepare(ctx context.Context, f labFault, authorization string) (labOrder, error) {
	kind := samplePaid
	if f.scarce {
		kind = sampleOutOfStock
	}
	item, err := l.console.sampleItem(ctx, kind)
	if code := fault.CodeOf(err); code == "no_products" || code == "nothing_in_stock" {
		if err = l.stock(ctx, authorization); err == nil {
			item, err = l.console.sampleItem(ctx, kind)
		}
	}
	if err != nil {
		return labOrder{}, err
	}
	token, err := l.customer.signIn(ctx, l.console)
	return labOrder{token, item, cmp.Or(f.method, "pm_card_visa")}, err
}

// labProduct is what the lab sells in a shop that has nothing to sell.
const labProduct = "lab-lantern"

// stock adds a product to the shop.
func (l *lab) stock(ctx context.Context, authorization string) error {
	product := map[string]any{"name": "Lantern of the lab", "price": map[string]any{"amount": 1299, "currency": "EUR"}, "active": true}
	requests := []peerRequest{
		{method: http.MethodPut, path: "/products/" + labProduct, body: product},
		{method: http.MethodPost, path: "/products/" + labProduct + "/stock", body: map[string]any{"delta": 1000, "reason": "the lab"}},
	}
	for _, r := range requests {
		r.service, r.authorization = "gateway", authorization
		if err := l.console.callPeer(ctx, r, nil); err != nil {
			return err
		}
	}
	return nil
}

const (
	placings     = 20 // attempts until orders knows a product that is new
	placingPause = 250 * time.Millisecond
)

// place places the order through the gateway. A product that was just added is not known to
// the orders service at once.
func (l *lab) place(ctx context.Context, o labOrder) (orderID string, err error) {
	var placed struct {
		ID string `json:"id"`
	}
	for range placings {
		err = l.console.callPeer(ctx, peerRequest{
			service: "gateway", method: http.MethodPost, path: "/orders", authorization: "Bearer " + o.token, key: l.console.NewID(),
			body: map[string]any{"items": []sampleItem{o.item}, "payment_method": o.method},
		}, &placed)
		refused, ok := errors.AsType[*peerError](err)
		if !ok || !slices.Contains([]int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}, refused.status) {
			break
		}
		if err := retry.Sleep(ctx, placingPause); err != nil {
			return "", err
		}
	}
	return placed.ID, err
}

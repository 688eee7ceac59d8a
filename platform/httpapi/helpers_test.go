package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/telemetry"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// shop is an API with operations of every kind, and its log.
type shop struct {
	handler   http.Handler
	api       *httpapi.API
	signer    *auth.Signer
	log       *bytes.Buffer
	remote    string // the address that requests come from
	ready     error
	cancelled int // how many orders were cancelled
}

type item struct {
	SKU      string `json:"sku" minLength:"1" maxLength:"64"`
	Quantity int    `json:"quantity" minimum:"1" maximum:"1000"`
}

type placeOrder struct {
	Key  string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		Items []item    `json:"items" minItems:"1" maxItems:"100"`
		Note  string    `json:"note,omitempty"`
		Due   time.Time `json:"due,omitzero"`
	}
}

type getOrder struct {
	ID string `path:"id"`
}

type listOrders struct {
	httpapi.PageQuery
}

type signIn struct {
	Body struct {
		Username string   `json:"username" minLength:"1"`
		Password string   `json:"password"`
		_        struct{} `additionalProperties:"true"`
	} `contentType:"application/x-www-form-urlencoded"`
}

type order struct {
	ID   string `json:"id"`
	User string `json:"user"`
	Role string `json:"role"`
}

type oneOrder struct{ Body order }

type orders struct{ Body httpapi.Page[order] }

func newShop(t testing.TB) *shop {
	return newShopThat(t, func(*httpapi.Config) {})
}

// newShopThat returns a shop with a configuration of its own.
func newShopThat(t testing.TB, configure func(*httpapi.Config)) *shop {
	key, err := auth.NewPrivateKey()
	require.NoError(t, err)
	signer, err := auth.NewSigner(key)
	require.NoError(t, err)
	now := func() time.Time { return noon }
	s := &shop{signer: signer, log: &bytes.Buffer{}}
	config := httpapi.Config{
		Service: "orders", Title: "Orders & more", Version: "1.2.3", Now: now,
		Verifier: auth.NewVerifier(auth.VerifierConfig{Static: signer.JWKS(), Now: now}),
		Log:      telemetry.Logger(s.log, slog.LevelDebug, telemetry.JSON),
		Registry: prometheus.NewRegistry(),
		Ready:    func(context.Context) error { return s.ready },
	}
	configure(&config)
	s.api = httpapi.New(config)
	s.handler = s.api.Handler()
	s.addOperations()
	return s
}

func (s *shop) addOperations() {
	a := s.api
	httpapi.Post(a, "/orders", func(ctx context.Context, in *placeOrder) (*oneOrder, error) {
		return &oneOrder{orderOfCaller(ctx, in.Body.Items[0].SKU)}, nil
	}, httpapi.Public(), httpapi.Summary("Place an order"), httpapi.Status(http.StatusCreated), httpapi.BodyLimit(32<<10))
	httpapi.Get(a, "/orders/{id}", func(ctx context.Context, in *getOrder) (*oneOrder, error) {
		if err := errorFor(in.ID); err != nil {
			return nil, err
		}
		return &oneOrder{orderOfCaller(ctx, in.ID)}, nil
	}, httpapi.Summary("Get an order"), httpapi.Description("It is as the customer sees it."))
	httpapi.Delete(a, "/orders/{id}", func(context.Context, *getOrder) (*struct{}, error) {
		return nil, nil
	}, httpapi.RequireRole(auth.Admin), httpapi.Summary("Delete an order"))
	httpapi.Post(a, "/orders/{id}/cancel", func(context.Context, *getOrder) (*struct{}, error) {
		s.cancelled++
		return nil, nil
	}, httpapi.Public(), httpapi.Summary("Cancel an order"))
	httpapi.Get(a, "/orders", func(_ context.Context, in *listOrders) (*orders, error) {
		_, err := httpapi.DecodeCursor(in.Cursor, 2)
		return &orders{httpapi.Page[order]{Items: []order{}, NextCursor: httpapi.EncodeCursor("a", "b")}}, err
	}, httpapi.Public())
	rows := []string{"a", "b", "c"}
	for _, path := range []string{"/books", "/maps"} {
		httpapi.Get(a, path, func(_ context.Context, in *listOrders) (*orders, error) {
			after, err := in.After()
			rest := slices.DeleteFunc(slices.Clone(rows), func(id string) bool { return id <= after })
			id, item := func(id string) string { return id }, func(id string) order { return order{ID: id} }
			return &orders{httpapi.PageOf(in.PageQuery, rest[:min(len(rest), in.Fetch())], id, item)}, err
		}, httpapi.Public())
	}
	httpapi.Post(a, "/token", func(_ context.Context, in *signIn) (*oneOrder, error) {
		return &oneOrder{order{User: in.Body.Username}}, nil
	}, httpapi.Anonymous(), httpapi.Summary("Get a token"), httpapi.Example(map[string]string{"username": "ada", "password": "secret"}))
	a.Handle("GET /stream", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic("in the middle")
	}))
}

func orderOfCaller(ctx context.Context, id string) order {
	c := auth.CallerOf(ctx)
	return order{ID: id, User: c.UserID, Role: string(c.Role)}
}

// errorFor returns the error that the order of that id is to cause.
func errorFor(id string) error {
	cause := errors.New("the disk is on fire")
	switch id {
	case "malformed":
		return fault.New(fault.Malformed, "odd", "odd")
	case "invalid":
		return fault.New(fault.Invalid, "sku_unknown", "no such sku").WithField("body.items[0].sku", "unknown")
	case "unauthenticated":
		return fault.New(fault.Unauthenticated, "bad_password", "try again")
	case "forbidden":
		return fault.New(fault.Forbidden, "not_yours", "not yours")
	case "missing":
		return fault.New(fault.NotFound, "order_not_found", "no such order")
	case "conflict":
		return fault.New(fault.Conflict, "order_shipped", "too late").WithCause(cause)
	case "large":
		return fault.New(fault.TooLarge, "too_large", "too large")
	case "unsupported":
		return fault.New(fault.Unsupported, "unsupported", "unsupported")
	case "throttled":
		return &fault.Error{Kind: fault.TooManyRequests, Code: "throttled", Message: "slow down", RetryAfter: 1500 * time.Millisecond}
	case "unavailable":
		return fault.New(fault.Unavailable, "down", "try later").WithCause(cause)
	case "internal":
		return fault.New(fault.Internal, "secret_code", "secret message").WithCause(cause)
	case "unknown":
		return cause
	case "panic":
		panic("index out of range")
	}
	return nil
}

func (s *shop) token(t testing.TB, role auth.Role) string {
	token, err := s.signer.Sign(auth.Caller{UserID: "u1", Role: role, SessionID: "s1", Expires: noon.Add(time.Minute)}, "t1", noon)
	require.NoError(t, err)
	return token
}

// send sends "METHOD path" with a body and headers given as name, value pairs.
func (s *shop) send(t testing.TB, request, body string, headers ...string) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	if s.remote != "" {
		r.RemoteAddr = s.remote
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code >= 400 {
		requireProblem(t, w)
	}
	return w
}

type problem struct {
	Type, Title, Detail, Instance, Code string
	Status                              int
	Errors                              []struct{ Location, Message string }
}

// requireProblem requires w to be a problem document with all that RFC 9457 and the
// conventions of this package require.
func requireProblem(t testing.TB, w *httptest.ResponseRecorder) problem {
	var p problem
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body.String())
	require.Equal(t, w.Code, p.Status)
	require.Equal(t, http.StatusText(w.Code), p.Title)
	require.Equal(t, "urn:troupe:problem:"+p.Code, p.Type)
	require.Equal(t, "urn:troupe:request:"+w.Header().Get("X-Request-Id"), p.Instance)
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Detail)
	return p
}

// logged returns the lines of the log.
func (s *shop) logged(t testing.TB) []map[string]any {
	var lines []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		lines = append(lines, fields)
	}
	return lines
}

func decodeBody(t testing.TB, w *httptest.ResponseRecorder, into any) {
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), w.Body.String())
}

// Package test drives the whole system from outside, through the gateway, as its
// customers and its operator do. Every scenario runs in each shape: all services
// in one process, and each by itself on PostgreSQL and RabbitMQ.
package test

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/client"
	"troupe/platform/sqldb"
	"troupe/services/gateway"
	"troupe/services/inventory"
	"troupe/services/notifications"
	"troupe/services/orders"
	"troupe/services/payments"
	"troupe/services/users"
	"troupe/test/apart"
	"troupe/test/process"
)

var everything = []app.Service{
	gateway.Service, users.Service, orders.Service, notifications.Service, inventory.Service, payments.Service,
}

const (
	adminEmail    = apart.AdminEmail
	adminPassword = apart.AdminPassword
	password      = "a customer's own passphrase"
	// patience bounds what should take milliseconds, on a machine that is busy.
	patience = 60 * time.Second
	tick     = 5 * time.Millisecond
)

// system is a running system in one of the shapes.
type system struct {
	url       func(service string) string
	databases map[string]string // URLs by service
	doors     *doors            // nil if its services are other processes
	admin     *client.Client
}

func (s *system) gateway() string { return s.url("gateway") }

// eachShape runs a scenario against a fresh system in every shape.
func eachShape(t *testing.T, scenario func(t *testing.T, s *system)) {
	t.Helper()
	t.Parallel()
	t.Run("in one process", func(t *testing.T) {
		t.Parallel()
		scenario(t, inOneProcess(t))
	})
	t.Run("apart", func(t *testing.T) {
		t.Parallel()
		doors := &doors{}
		running := apart.StartWith(t, apart.Config{Replicas: 2, Listen: doors.listen})
		s := &system{url: running.URL, databases: running.Databases, doors: doors}
		s.admin = s.login(t, adminEmail, adminPassword)
		scenario(t, s)
	})
}

func environ(dir string) map[string]string {
	e := map[string]string{
		"TROUPE_DATA": dir, "ADMIN_EMAIL": adminEmail, "ADMIN_PASSWORD": adminPassword, "PASSWORD_HASH_COST": "insecure", "GATEWAY_RECOVERY": "100ms",
	}
	for _, s := range everything {
		e[strings.ToUpper(s.Name)+"_LISTEN"] = "127.0.0.1:0"
	}
	return e
}

func inOneProcess(t *testing.T) *system {
	t.Helper()
	dir, doors := t.TempDir(), &doors{}
	running, err := app.Start(t.Context(), app.Config{
		Services: everything, Environ: environ(dir), Version: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Listen: doors.listen,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, running.Stop()) })
	s := &system{url: running.URL, databases: filesIn(dir), doors: doors}
	s.admin = s.login(t, adminEmail, adminPassword)
	return s
}

// filesIn are the databases of a system on SQLite, by service.
func filesIn(dir string) map[string]string {
	urls := map[string]string{}
	for _, service := range process.Services[1:] {
		urls[service] = "sqlite://" + filepath.Join(dir, service+".db")
	}
	return urls
}

// database opens that of a service.
func (s *system) database(t *testing.T, service string) sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), s.databases[service], sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (s *system) login(t *testing.T, email, password string) *client.Client {
	t.Helper()
	c, err := client.New(s.gateway()).Login(t.Context(), email, password)
	require.NoError(t, err)
	return c
}

// customer registers somebody new.
func (s *system) customer(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(s.gateway()).Register(t.Context(), newAddress(), password, "Ada <Lovelace>")
	require.NoError(t, err)
	return c
}

func newAddress() string { return strings.ToLower(rand.Text()) + "@example.com" }

// offer puts a product on the shelf, and waits until orders knows of it.
func (s *system) offer(t *testing.T, sku string, cents, stock int64) {
	t.Helper()
	product := map[string]any{"name": "A " + sku, "price": map[string]any{"amount": cents, "currency": "EUR"}, "active": true}
	require.NoError(t, s.admin.Put(t.Context(), "/products/"+sku, product, nil))
	require.NoError(t, s.admin.Post(t.Context(), "/products/"+sku+"/stock", map[string]any{"delta": stock, "reason": "test"}, nil))
	someone := s.customer(t)
	require.Eventually(t, func() bool {
		o, err := someone.PlaceOrder(t.Context(), "pm_card_chargeDeclined", client.Item{SKU: sku, Quantity: 1})
		if err != nil {
			return false
		}
		s.until(t, someone, o.ID, "stock.released.v1")
		return true
	}, patience, 50*time.Millisecond, "orders does not hear of the product")
}

// until waits until something has happened to an order, and gives the order.
func (s *system) until(t *testing.T, c *client.Client, id, what string) client.Order {
	t.Helper()
	var steps []client.TimelineEntry
	require.Eventually(t, func() bool {
		var err error
		steps, err = c.Timeline(t.Context(), id)
		if err != nil {
			return false
		}
		for _, step := range steps {
			if step.What == what {
				return true
			}
		}
		return false
	}, patience, tick, "%s does not happen to order %s; the last steps were %v", what, id, &steps)
	o, err := c.Order(t.Context(), id)
	require.NoError(t, err)
	return o
}

func (s *system) available(t *testing.T, sku string) int64 {
	t.Helper()
	var product client.Product
	require.NoError(t, s.admin.Get(t.Context(), "/products/"+sku, &product))
	return product.Available
}

// raw is a request as nobody's client would send it.
type raw struct {
	method, path string
	header       map[string]string
	body         string
}

// answer is a status with its problem code, or its body.
type answer struct {
	status int
	code   string
	body   []byte
	header http.Header
}

func (s *system) send(t *testing.T, r raw) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.method, s.gateway()+r.path, strings.NewReader(r.body))
	require.NoError(t, err)
	for name, value := range r.header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{status: response.StatusCode, code: problemCode(body), body: body, header: response.Header}
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "troupe-test-")
	if err != nil {
		panic(err)
	}
	built = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // a temporary folder
	os.Exit(code)
}

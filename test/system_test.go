// Package test drives the whole system from outside, through the gateway, as its
// customers and its operator do. Every scenario runs in each shape: all services
// in one process, and replicas of each on PostgreSQL and RabbitMQ.
package test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/test/cluster"
	"troupe/test/invariants"
)

const (
	password = "a customer's own passphrase"
	// timeout bounds what should take milliseconds, on a machine that is busy.
	timeout      = 60 * time.Second
	pollInterval = 5 * time.Millisecond
)

// system is a running cluster with its admin logged in.
type system struct {
	*cluster.Cluster
	faults *faultyNetwork // nil if the services are other processes
	admin  *client.Client
}

// eachShape runs a scenario against a fresh system in every shape that this process can hold.
func eachShape(t *testing.T, scenario func(t *testing.T, s *system)) {
	t.Helper()
	eachShapeWith(t, nil, scenario)
}

// eachShapeWith is eachShape with settings beyond those that every test has.
func eachShapeWith(t *testing.T, settings []string, scenario func(t *testing.T, s *system)) {
	t.Helper()
	t.Parallel()
	for name, config := range map[string]cluster.Config{
		"in one process": {Kind: cluster.InTest},
		"replicated":     {Kind: cluster.Replicated, Replicas: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := &faultyNetwork{}
			config.Listen, config.Settings = faults.listen, settings
			s := startSystem(t, config)
			s.faults = faults
			scenario(t, s)
		})
	}
}

func startSystem(t *testing.T, config cluster.Config) *system {
	t.Helper()
	s := &system{Cluster: cluster.Start(t, config)}
	s.admin = s.login(t, cluster.AdminEmail, cluster.AdminPassword)
	return s
}

// program builds the real program once for all tests.
var program = sync.OnceValues(func() (string, error) {
	return cluster.Build(context.Background(), buildDir)
})

// programWithFailpoints builds the program so that it can be killed at a failpoint,
// once for all tests.
var programWithFailpoints = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(buildDir, "failpoints")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return cluster.Build(context.Background(), dir, "-tags", "failpoints")
})

// buildDir holds what was built, until TestMain removes it.
var buildDir string

// openDatabases opens the databases of all services.
func openDatabases(t *testing.T, c *cluster.Cluster) invariants.Databases {
	t.Helper()
	all, err := c.OpenDatabases(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, db := range all {
			require.NoError(t, db.Close())
		}
	})
	return all
}

// awaitQuiet waits until nothing is left to do, and requires that all accounts
// agree and every customer was notified.
func awaitQuiet(t *testing.T, d invariants.Databases) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*timeout)
	defer cancel()
	require.NoError(t, invariants.AwaitQuiet(ctx, d))
}

// delayedError formats an error as it is when it is printed.
type delayedError struct{ err *error }

func (e delayedError) String() string { return fmt.Sprint(*e.err) }

// database opens the database of a service.
func (s *system) database(t *testing.T, service string) sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), s.Database(service), sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (s *system) login(t *testing.T, email, password string) *client.Client {
	t.Helper()
	c, err := client.New(s.URL("gateway")).Login(t.Context(), email, password)
	require.NoError(t, err)
	return c
}

// newCustomer registers a customer and returns a client that is logged in as they are.
func (s *system) newCustomer(t *testing.T) *client.Client {
	t.Helper()
	email := strings.ToLower(rand.Text()) + "@example.com"
	c, err := client.New(s.URL("gateway")).Register(t.Context(), email, password, "Ada <Lovelace>")
	require.NoError(t, err)
	return c
}

// addProduct creates and stocks a product, and waits until it can be ordered.
func (s *system) addProduct(t *testing.T, sku string, cents, stock int64) {
	t.Helper()
	s.addProductAt(t, sku, money.Money{Amount: cents, Currency: "EUR"}, stock)
}

func (s *system) addProductAt(t *testing.T, sku string, price money.Money, stock int64) {
	t.Helper()
	product := map[string]any{"name": "A " + sku, "price": price, "active": true}
	require.NoError(t, s.admin.Put(t.Context(), "/products/"+sku, product, nil))
	require.NoError(t, s.admin.Post(t.Context(), "/products/"+sku+"/stock", map[string]any{"delta": stock, "reason": "test"}, nil))
	first := s.newCustomer(t)
	require.Eventually(t, func() bool {
		o, err := first.PlaceOrder(t.Context(), "pm_card_chargeDeclined", client.Item{SKU: sku, Quantity: 1})
		if err != nil {
			return false
		}
		s.awaitEvent(t, first, o.ID, "stock.released.v1")
		return true
	}, timeout, 50*time.Millisecond, "the orders service does not get to know the product")
}

// awaitEvent waits until an event about an order has been consumed, and returns the order.
func (s *system) awaitEvent(t *testing.T, c *client.Client, orderID, eventType string) client.Order {
	t.Helper()
	var steps []client.TimelineEntry
	require.Eventually(t, func() bool {
		var err error
		steps, err = c.Timeline(t.Context(), orderID)
		if err != nil {
			return false
		}
		for _, step := range steps {
			if step.What == eventType {
				return true
			}
		}
		return false
	}, timeout, pollInterval, "%s does not happen to order %s; the last steps were %v", eventType, orderID, &steps)
	o, err := c.Order(t.Context(), orderID)
	require.NoError(t, err)
	return o
}

// available returns how much of a product can be ordered.
func (s *system) available(t *testing.T, sku string) int64 {
	t.Helper()
	var product client.Product
	require.NoError(t, s.admin.Get(t.Context(), "/products/"+sku, &product))
	return product.Available
}

// rawRequest is a request that the client package would not send.
type rawRequest struct {
	method, path string
	header       map[string]string
	body         string
}

// rawResponse is a status with its body, and the code of the problem that the body describes.
type rawResponse struct {
	status int
	code   string
	body   []byte
	header http.Header
}

func (s *system) send(t *testing.T, r rawRequest) rawResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.method, s.URL("gateway")+r.path, strings.NewReader(r.body))
	require.NoError(t, err)
	for name, value := range r.header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return rawResponse{status: response.StatusCode, code: problemCode(body), body: body, header: response.Header}
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "troupe-test-")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // a temporary folder
	os.Exit(code)
}

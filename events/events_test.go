package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files of new events")

type payload interface {
	EventType() string
	CorrelationID() string
}

var (
	price = Money{Amount: 1299, Currency: "EUR"}
	lines = []StockLine{{SKU: "lantern", Quantity: 2}}
)

// examples holds one payload of each event, with every field set.
var examples = []payload{
	UserRegistered{UserID: "u1", Email: "ada@example.com", Name: "Ada", Locale: "en", Version: 1},
	UserUpdated{UserID: "u1", Email: "ada@example.com", Name: "Ada L.", Locale: "de", Version: 2},
	UserDeleted{UserID: "u1", Version: 3},
	SessionRevoked{SessionID: "s1", UserID: "u1", Until: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	ProductChanged{SKU: "lantern", Name: "Lantern", Price: price, Active: true, Version: 4},
	StockChanged{SKU: "lantern", Available: 17, Version: 5},
	StockReserved{OrderID: "o1", Lines: lines},
	StockRejected{OrderID: "o1", Short: []Shortage{{SKU: "lantern", Wanted: 2, Available: 1}}},
	StockCommitted{OrderID: "o1", Lines: lines},
	StockReleased{OrderID: "o1", Lines: lines, Reason: "customer"},
	OrderCreated{
		OrderID: "o1", UserID: "u1", Total: Money{Amount: 2598, Currency: "EUR"}, PaymentMethod: "pm_card_visa",
		Lines: []OrderLine{{SKU: "lantern", Name: "Lantern", Quantity: 2, UnitPrice: price}},
	},
	OrderConfirmed{OrderID: "o1", UserID: "u1", Total: price},
	OrderPaid{OrderID: "o1", UserID: "u1", Amount: price},
	OrderCancelled{OrderID: "o1", UserID: "u1", Total: price, Reason: "deadline"},
	OrderShipped{OrderID: "o1", UserID: "u1"},
	OrderDelivered{OrderID: "o1", UserID: "u1"},
	PaymentAuthorized{OrderID: "o1", UserID: "u1", PaymentID: "p1", Amount: price},
	PaymentDeclined{OrderID: "o1", UserID: "u1", PaymentID: "p1", Amount: price, Reason: "insufficient_funds"},
	PaymentCaptured{OrderID: "o1", UserID: "u1", PaymentID: "p1", Amount: price},
	PaymentCaptureFailed{OrderID: "o1", UserID: "u1", PaymentID: "p1", Amount: price, Reason: "expired"},
	PaymentVoided{OrderID: "o1", UserID: "u1", PaymentID: "p1", Amount: price},
	PaymentRefunded{OrderID: "o1", UserID: "u1", PaymentID: "p1", Amount: price, Reason: "customer"},
	NotificationSent{DeliveryID: "d1", UserID: "u1", OrderID: "o1", Kind: "order.paid", Channel: "email"},
	NotificationFailed{DeliveryID: "d1", UserID: "u1", OrderID: "o1", Kind: "order.paid", Channel: "email", Reason: "550 no such user"},
}

// The code reads the bytes that earlier versions wrote, and writes the same bytes. A
// golden file is never edited: a change that breaks one needs a new major version.
func TestPayloadsMatchTheirGoldenFiles(t *testing.T) {
	t.Parallel()
	for _, example := range examples {
		t.Run(example.EventType(), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", example.EventType()+".json")
			fresh, err := json.MarshalIndent(example, "", "  ")
			require.NoError(t, err)
			fresh = append(fresh, '\n')
			if _, err := os.Stat(path); *update && os.IsNotExist(err) {
				require.NoError(t, os.WriteFile(path, fresh, 0o644))
			}
			golden, err := os.ReadFile(path)
			require.NoError(t, err, "run: go test ./events -update")
			read := reflect.New(reflect.TypeOf(example))
			decoder := json.NewDecoder(bytes.NewReader(golden))
			decoder.DisallowUnknownFields()
			require.NoError(t, decoder.Decode(read.Interface()))
			require.Equal(t, example, read.Elem().Interface())
			require.JSONEq(t, string(golden), string(fresh))
		})
	}
}

func TestEveryFieldOfAnExampleIsSet(t *testing.T) {
	t.Parallel()
	for _, example := range examples {
		v := reflect.ValueOf(example)
		for i := range v.NumField() {
			require.False(t, v.Field(i).IsZero(), "%s: %s", example.EventType(), v.Type().Field(i).Name)
		}
		require.NotEmpty(t, example.CorrelationID())
	}
}

func TestTheTopologyListsEveryEvent(t *testing.T) {
	t.Parallel()
	var types []string
	for _, example := range examples {
		types = append(types, example.EventType())
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(Topology)), types)
}

func TestAMessageWithoutAnOrderIsCorrelatedByItsUser(t *testing.T) {
	t.Parallel()
	require.Equal(t, "u1", NotificationSent{UserID: "u1"}.CorrelationID())
	require.Equal(t, "u1", NotificationFailed{UserID: "u1"}.CorrelationID())
}

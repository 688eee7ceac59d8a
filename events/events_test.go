package events

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
	UserPasswordChanged{UserID: "u1"},
	UserSignedInOnNewDevice{UserID: "u1"},
	SessionRevoked{SessionID: "s1", UserID: "u1", Until: Time{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
	SessionsRevoked{SessionIDs: []string{"s1", "s2"}, UserID: "u1", Until: Time{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
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
	ProjectionRequested{Projection: "products", Consumer: "orders"},
	NotificationSent{DeliveryID: "d1", UserID: "u1", OrderID: "o1", Kind: "order.paid", Channel: "email"},
	NotificationFailed{DeliveryID: "d1", UserID: "u1", OrderID: "o1", Kind: "order.paid", Channel: "email", Reason: "550 no such user"},
}

// encoding/json writes a time.Time with as many digits as it needs, so that consumers that
// sort or parse texts go wrong.
func TestNoPayloadHasABareTime(t *testing.T) {
	t.Parallel()
	for _, example := range examples {
		require.False(t, hasBareTime(reflect.TypeOf(example)), "%s: use events.Time instead of time.Time", example.EventType())
	}
	require.True(t, hasBareTime(reflect.TypeFor[struct {
		A []map[string]struct{ At *time.Time }
	}]()))
}

// hasBareTime reports whether values of the type contain a time.Time that is no Time.
func hasBareTime(of reflect.Type) bool {
	switch {
	case of == reflect.TypeFor[Time]():
		return false
	case of == reflect.TypeFor[time.Time]():
		return true
	case of.Kind() == reflect.Struct:
		for field := range of.Fields() {
			if hasBareTime(field.Type) {
				return true
			}
		}
		return false
	}
	return slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}, of.Kind()) && hasBareTime(of.Elem())
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

func TestEveryEventIsPublishedByOneService(t *testing.T) {
	t.Parallel()
	types := []string{ProjectionRequested{}.EventType()} // which each of Requesters publishes
	for service := range published {
		types = append(types, Published(service)...)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(Topology)), types)
}

func TestAMessageWithoutAnOrderIsCorrelatedByItsUser(t *testing.T) {
	t.Parallel()
	require.Equal(t, "u1", NotificationSent{UserID: "u1"}.CorrelationID())
	require.Equal(t, "u1", NotificationFailed{UserID: "u1"}.CorrelationID())
}

package inventory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/inventory"
)

// connect creates a client of the events and returns its API.
func connect(t *testing.T, h *servicetest.Harness, name string, reads, publishes []string) (client *servicetest.Client, id string) {
	t.Helper()
	made := h.As("root", auth.Admin).Post(t, "/events/inventory/clients", map[string]any{"name": name, "reads": reads, "publishes": publishes})
	require.Equal(t, 201, made.Status, "%s", made.Body)
	return h.Anonymous().With("X-API-Key", made.Field(t, "key")), made.Field(t, "id")
}

func addProduct(t *testing.T, h *servicetest.Harness, sku string) {
	t.Helper()
	admin(h).Put(t, "/products/"+sku, product("The "+sku, 1200)).Want(t, 201)
}

type page struct {
	Events []struct {
		ID, Source, Type string
		Data             struct{ SKU string }
	}
	Next int64
}

func readAfter(t *testing.T, c *servicetest.Client, after int64, query string) (p page) {
	t.Helper()
	c.Get(t, fmt.Sprintf("/events/inventory?after=%d%s", after, query)).Want(t, 200).JSON(t, &p)
	return p
}

func TestAProgramOutsideReadsEachEventOnceInOrder(t *testing.T) {
	servicetest.Run(t, inventory.Service, func(t *testing.T, h *servicetest.Harness) {
		erp, _ := connect(t, h, "erp", []string{"product.changed.v1"}, nil)
		var cursor int64
		var got []string
		for i := range 5 {
			for j := range 7 {
				addProduct(t, h, fmt.Sprintf("p-%d-%d", i, j))
			}
			h.Settle(t)
			for p := readAfter(t, erp, cursor, "&limit=3"); len(p.Events) > 0; p = readAfter(t, erp, cursor, "&limit=3") {
				for _, e := range p.Events {
					require.Equal(t, "product.changed.v1", e.Type)
					require.Equal(t, "inventory", e.Source)
					got = append(got, e.Data.SKU)
				}
				cursor = p.Next
			}
		}
		var want []string
		for _, e := range servicetest.Published[events.ProductChanged](t, h) {
			want = append(want, e.SKU)
		}
		require.Len(t, want, 35)
		require.Equal(t, want, got)
		require.Len(t, readAfter(t, erp, 0, "&limit=200").Events, 35, "a program that lost its cursor begins again")
	}, noDemo)
}

func TestACursorWhoseEventsAreNoLongerKeptIsRefused(t *testing.T) {
	servicetest.Run(t, inventory.Service, func(t *testing.T, h *servicetest.Harness) {
		erp, _ := connect(t, h, "erp", []string{"*"}, nil)
		addProduct(t, h, "a")
		h.Settle(t)
		cursor := readAfter(t, erp, 0, "").Next
		addProduct(t, h, "b")
		h.Settle(t)
		h.Advance(73 * time.Hour)
		h.Settle(t)
		erp.Get(t, fmt.Sprintf("/events/inventory?after=%d", cursor)).Problem(t, 409, "cursor_too_old")
		addProduct(t, h, "c")
		h.Settle(t)
		fresh := readAfter(t, erp, 0, "")
		require.NotEmpty(t, fresh.Events)
		for _, e := range fresh.Events {
			require.Equal(t, "c", e.Data.SKU)
		}
		erp.Get(t, "/events/inventory?after=999999").Problem(t, 409, "cursor_unknown")
	}, noDemo)
}

// A program that may read few events is answered before all others have been looked at.
func TestAProgramOutsideGetsPastManyEventsOfOthersInSteps(t *testing.T) {
	servicetest.Run(t, inventory.Service, func(t *testing.T, h *servicetest.Harness) {
		erp, _ := connect(t, h, "erp", []string{"stock.changed.v1"}, nil)
		_, err := h.DB.Exec(t.Context(), `INSERT INTO event_log (position, type, body, logged_at)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) SELECT i, 'product.changed.v1', '{}', 0 FROM n`)
		require.NoError(t, err)
		_, err = h.DB.Exec(t.Context(), "UPDATE event_log_end SET last_position = 25000")
		require.NoError(t, err)

		first := readAfter(t, erp, 0, "")
		require.Empty(t, first.Events)
		require.Equal(t, int64(20_000), first.Next)
		require.Equal(t, int64(25_000), readAfter(t, erp, first.Next, "").Next)
	}, noDemo)
}

func changed(id string, price any) map[string]any {
	return map[string]any{
		"specversion": "1.0", "id": id, "source": "erp", "type": "product.changed.v1",
		"data": map[string]any{"sku": "lamp", "name": "Lamp", "price": price, "active": true, "version": 7},
	}
}

func TestAnEventOfAProgramOutsideIsPublishedOnce(t *testing.T) {
	servicetest.Run(t, inventory.Service, func(t *testing.T, h *servicetest.Harness) {
		erp, _ := connect(t, h, "erp", []string{"*"}, []string{"product.changed.v1"})
		price := events.Money{Amount: 1299, Currency: "EUR"}
		id := erp.With("Content-Type", "application/cloudevents+json").Post(t, "/events/inventory", changed("e1", price)).
			Want(t, 202, "duplicate", false).Field(t, "id")
		erp.Post(t, "/events/inventory", changed("e1", price)).Want(t, 202, "duplicate", true, "id", id)
		erp.Post(t, "/events/inventory", `{"source": "erp", "type": "product.changed.v1", "specversion": "1.0", "id": "e1",
			"data": {"version": 7, "active": true, "price": {"currency": "EUR", "amount": 1299}, "name": "L\u0061mp", "sku": "lamp"}}`).
			Want(t, 202, "duplicate", true, "id", id) // another encoding of the same
		require.Equal(t, []events.ProductChanged{{SKU: "lamp", Name: "Lamp", Price: price, Active: true, Version: 7}},
			servicetest.Published[events.ProductChanged](t, h))
		read := readAfter(t, erp, 0, "")
		require.Len(t, read.Events, 1)
		require.Equal(t, id, read.Events[0].ID)
		require.Equal(t, "outside/erp", read.Events[0].Source)
	}, noDemo)
}

func TestABadEventOfAProgramOutsideIsRefusedWithWhatIsWrong(t *testing.T) {
	servicetest.Run(t, inventory.Service, func(t *testing.T, h *servicetest.Harness) {
		erp, id := connect(t, h, "erp", nil, []string{"product.changed.v1"})
		reader, _ := connect(t, h, "reader", []string{"stock.changed.v1"}, nil)
		price := events.Money{Amount: 1299, Currency: "EUR"}
		with := func(member string, value any) map[string]any {
			e := changed("e2", price)
			e[member] = value
			return e
		}
		erp.Post(t, "/events/inventory", changed("e2", "12.99")).Problem(t, 422, "event_data_invalid").
			Want(t, 422, "errors.0.location", "body.data.price", "errors.0.message", "got string, want object")
		erp.Post(t, "/events/inventory", with("source", "orders")).Problem(t, 403, "source_not_yours")
		erp.Post(t, "/events/inventory", with("type", "order.paid.v1")).Problem(t, 422, "event_type_unknown")
		erp.Post(t, "/events/inventory", with("type", "stock.changed.v1")).Problem(t, 403, "event_type_not_allowed")
		require.Equal(t, 422, erp.Post(t, "/events/inventory", with("specversion", "0.3")).Status)
		require.Equal(t, 422, erp.Post(t, "/events/inventory", with("surprise", 1)).Status)
		reader.Post(t, "/events/inventory", with("source", "reader")).Problem(t, 403, "event_type_not_allowed")
		h.PublishesNothing(t)

		erp.Post(t, "/events/inventory", changed("e3", price)).Want(t, 202)
		erp.Post(t, "/events/inventory", changed("e3", events.Money{Amount: 1, Currency: "EUR"})).Problem(t, 409, "event_id_taken")
		require.Empty(t, readAfter(t, erp, 0, "").Events, "it may read none")

		h.Anonymous().Get(t, "/events/inventory").Problem(t, 401, "api_key_missing")
		h.Anonymous().With("X-API-Key", "troupe_guess").Get(t, "/events/inventory").Problem(t, 401, "api_key_unknown")
		h.As("ada", auth.User).Get(t, "/events/inventory/clients").Problem(t, 403, "role_required")
		require.NotContains(t, string(admin(h).Get(t, "/events/inventory/clients").Want(t, 200, "items.0.name", "erp").Body), "troupe_")
		admin(h).Post(t, "/events/inventory/clients", map[string]any{"name": "erp"}).Problem(t, 409, "client_exists")
		admin(h).Post(t, "/events/inventory/clients", map[string]any{"name": "wms", "reads": []string{"order.paid.v1"}}).Problem(t, 422, "event_type_unknown")
		fresh := admin(h).Post(t, "/events/inventory/clients/"+id+"/rotate", nil).Want(t, 200, "name", "erp").Field(t, "key")
		erp.Get(t, "/events/inventory").Problem(t, 401, "api_key_unknown")
		erp = h.Anonymous().With("X-API-Key", fresh)
		erp.Post(t, "/events/inventory", changed("e3", price)).Want(t, 202, "duplicate", true)
		admin(h).Post(t, "/events/inventory/clients/none/rotate", nil).Problem(t, 404, "client_not_found")
		require.Equal(t, 204, admin(h).Delete(t, "/events/inventory/clients/"+id).Status)
		erp.Get(t, "/events/inventory").Problem(t, 401, "api_key_unknown")
	}, noDemo)
}

func TestEventsAreNotPublicUnlessItIsSet(t *testing.T) {
	servicetest.Run(t, inventory.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Anonymous().Get(t, "/events/inventory").Problem(t, 404, "events_not_public")
		addProduct(t, h, "a")
		h.Settle(t)
		var logged int
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT count(*) FROM event_log").Scan(&logged))
		require.Zero(t, logged)
	}, servicetest.Setting("EVENTS_PUBLIC", "false"))
}

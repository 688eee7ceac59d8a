package inventory_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
)

// Read, change, write back: radius-project/radius#7597, pyeve/eve#564.
func TestWhatGETReturnsPUTAccepts(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		var read map[string]any
		h.Anonymous().Get(t, "/products/mask").Want(t, 200).JSON(t, &read)
		admin(h).Put(t, "/products/mask", read).Want(t, 200)
		h.PublishesNothing(t)
		changed := maps.Clone(read)
		changed["name"] = "The golden mask"
		admin(h).Put(t, "/products/mask", changed).Want(t, 200, "name", "The golden mask", "available", 10)
		h.Publishes(t, events.ProductChanged{SKU: "mask", Name: "The golden mask", Price: eur(1200), Active: true, Version: 2})
	})
}

func TestAnotherValueOfAReadOnlyMemberIsRefused(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for member, value := range map[string]any{"sku": "poster", "available": 11} {
			body := product("Another name", 1)
			body[member] = value
			admin(h).Put(t, "/products/mask", body).Problem(t, 422, "read_only").Want(t, 422, "errors.0.location", "body."+member)
			admin(h).Put(t, "/products/brand-new", body).Problem(t, 422, "read_only")
		}
		h.Anonymous().Get(t, "/products/mask").Want(t, 200, "name", "The mask", "available", 10)
		h.Anonymous().Get(t, "/products/brand-new").Problem(t, 404, "product_not_found")
		h.PublishesNothing(t)
	})
}

func TestAChangeBasedOnAnOldProductIsRefused(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		tag := h.Anonymous().Get(t, "/products/mask").Want(t, 200).Header("ETag")
		require.Regexp(t, `^"[^"]+"$`, tag)
		second := admin(h).With("If-Match", tag).Put(t, "/products/mask", product("By the first admin", 1200)).Want(t, 200).Header("ETag")
		require.NotEqual(t, tag, second)
		require.Equal(t, second, h.Anonymous().Get(t, "/products/mask").Header("ETag"))
		h.Publishes(t, events.ProductChanged{SKU: "mask", Name: "By the first admin", Price: eur(1200), Active: true, Version: 2})

		for _, old := range []string{tag, "W/" + second, `"x"`, tag + `, "y"`} {
			admin(h).With("If-Match", old).Put(t, "/products/mask", product("By the second admin", 1200)).Problem(t, 412, "precondition_failed")
		}
		admin(h).With("If-Match", "4").Put(t, "/products/mask", product("By the second admin", 1200)).Problem(t, 400, "if_match_malformed")
		h.Anonymous().Get(t, "/products/mask").Want(t, 200, "name", "By the first admin")
		h.PublishesNothing(t)
		second = admin(h).With("If-Match", second).Put(t, "/products/mask", product("The mask", 1300)).Want(t, 200).Header("ETag")
		admin(h).With("If-Match", `"x", `+second).Put(t, "/products/mask", product("The mask", 1301)).Want(t, 200)
		admin(h).With("If-Match", "*").Put(t, "/products/mask", product("The mask", 1302)).Want(t, 200)
	})
}

// Every order changes the stock, so that an admin of a busy shop could never save.
func TestAnOrderMeanwhileDoesNotRefuseAnAdminsChange(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		response := h.Anonymous().Get(t, "/products/mask").Want(t, 200, "available", 10)
		var read map[string]any
		response.JSON(t, &read)
		h.Consumes(t, created("o1", "mask", 2))
		tag := h.Anonymous().Get(t, "/products/mask").Want(t, 200, "available", 8).Header("ETag")
		require.NotEqual(t, response.Header("ETag"), tag, "another representation has another tag")
		admin(h).Put(t, "/products/mask", read).Problem(t, 422, "read_only")
		admin(h).With("If-Match", response.Header("ETag")).Put(t, "/products/mask", read).Want(t, 200, "available", 8)
	})
}

func TestAProductIsCreatedOnlyIfItIsMissing(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		admin(h).With("If-None-Match", "*").Put(t, "/products/mask", product("Another", 1)).Problem(t, 412, "precondition_failed")
		admin(h).With("If-Match", "*").Put(t, "/products/hat", product("A hat", 1)).Problem(t, 412, "precondition_failed")
		h.Anonymous().Get(t, "/products/mask").Want(t, 200, "name", "The mask")
		h.Anonymous().Get(t, "/products/hat").Problem(t, 404, "product_not_found")
		stockedHat := product("A hat", 1)
		stockedHat["available"] = 0
		admin(h).With("If-None-Match", "*").Put(t, "/products/hat", stockedHat).Want(t, 201)
		admin(h).Post(t, "/products/hat/stock", delta(1)).Want(t, 200)
	})
}

func TestAProductThatHasNotChangedIsNotSentAgain(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		tag := h.Anonymous().Get(t, "/products/mask").Header("ETag")
		for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			r := h.Anonymous().With("If-None-Match", known).Get(t, "/products/mask")
			require.Equal(t, 304, r.Status)
			require.Empty(t, r.Body)
			require.Equal(t, tag, r.Header("ETag"))
		}
		h.Anonymous().With("If-None-Match", `"x"`).Get(t, "/products/mask").Want(t, 200, "sku", "mask")
		h.Consumes(t, created("o1", "mask", 2))
		h.Anonymous().With("If-None-Match", tag).Get(t, "/products/mask").Want(t, 200, "available", 8)
	})
}

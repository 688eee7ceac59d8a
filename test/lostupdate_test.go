package test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// readProduct returns a product as the API shows it, and its ETag.
func (s *system) readProduct(t *testing.T, sku string) (product map[string]any, tag string) {
	t.Helper()
	a := s.send(t, rawRequest{method: "GET", path: "/products/" + sku})
	require.Equal(t, 200, a.status, "%s", a.body)
	require.NoError(t, json.Unmarshal(a.body, &product))
	require.NotEmpty(t, a.header.Get("ETag"))
	return product, a.header.Get("ETag")
}

// writeProduct sends the lantern back, as an admin who has read it under that tag.
func (s *system) writeProduct(t *testing.T, product map[string]any, tag string) rawResponse {
	t.Helper()
	body, err := json.Marshal(product)
	require.NoError(t, err)
	return s.send(t, rawRequest{method: "PUT", path: "/products/lantern", body: string(body), header: map[string]string{
		"Authorization": "Bearer " + s.admin.Token(), "Content-Type": "application/json", "If-Match": tag,
	}})
}

// Two admins edit the same product. The second one would overwrite what the first has
// changed without having seen it.
func TestOfTwoAdminsWhoEditAProductTheSecondIsRefused(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		first, tag := s.readProduct(t, "lantern")
		second, same := s.readProduct(t, "lantern")
		require.Equal(t, tag, same)
		first["description"], second["name"] = "Brass.", "Storm lantern"
		require.Equal(t, 200, s.writeProduct(t, first, tag).status)
		refused := s.writeProduct(t, second, tag)
		require.Equal(t, 412, refused.status, "%s", refused.body)
		require.Equal(t, "precondition_failed", refused.code)

		now, tag := s.readProduct(t, "lantern")
		require.Equal(t, "Brass.", now["description"])
		now["name"] = "Storm lantern"
		require.Equal(t, 200, s.writeProduct(t, now, tag).status)
		now, _ = s.readProduct(t, "lantern")
		require.Equal(t, []any{"Storm lantern", "Brass."}, []any{now["name"], now["description"]})
	})
}

// The admins save at the same moment, on different replicas.
func TestOfAdminsWhoSaveAtOnceOneSucceeds(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		read, tag := s.readProduct(t, "lantern")
		statuses := make([]int, 8)
		var all sync.WaitGroup
		for i := range statuses {
			product := map[string]any{"name": fmt.Sprint("Lantern ", i), "price": read["price"]}
			all.Go(func() { statuses[i] = s.writeProduct(t, product, tag).status })
		}
		all.Wait()
		counts := map[int]int{}
		for _, status := range statuses {
			counts[status]++
		}
		require.Equal(t, map[int]int{200: 1, 412: 7}, counts)
	})
}

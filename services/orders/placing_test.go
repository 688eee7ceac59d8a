package orders_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
)

// Many customers order at the same time, some of them twice, some what nobody can have.
func TestOrdersThatArriveTogetherAreAnsweredEach(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, _ *servicetest.Client) {
		const customers = 40
		ids := make([][]string, customers)
		var wait sync.WaitGroup
		var mu sync.Mutex
		for n := range customers {
			customer := h.As(fmt.Sprint("customer-", n), auth.User)
			for range 2 { // a client that does not wait for the first answer
				wait.Go(func() {
					answer := customer.With("Idempotency-Key", "first").Post(t, "/orders", twoTeas).Want(t, 201)
					mu.Lock()
					defer mu.Unlock()
					ids[n] = append(ids[n], answer.Field(t, "id"))
				})
			}
			wait.Go(func() {
				customer.Post(t, "/orders", `{"items":[{"sku":"unicorn","quantity":1}],"payment_method":"pm_card_visa"}`).Want(t, 422)
			})
			wait.Go(func() {
				customer.With("Idempotency-Key", "second").
					Post(t, "/orders", `{"items":[{"sku":"tea","quantity":1}],"payment_method":"pm_card_visa","expected_total":{"amount":1,"currency":"EUR"}}`).
					Want(t, 409)
			})
		}
		wait.Wait()
		created := map[string]string{}
		for _, e := range servicetest.Published[events.OrderCreated](t, h) {
			created[e.UserID] = e.OrderID
		}
		require.Len(t, created, customers)
		for n := range customers {
			require.Equal(t, []string{created[fmt.Sprint("customer-", n)], created[fmt.Sprint("customer-", n)]}, ids[n], "both answers are about one order")
		}
		require.Len(t, servicetest.Published[events.OrderCreated](t, h), customers)
	})
}

package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/patterns/retry"
)

// A temporary error is retried until a try succeeds.
func ExamplePolicy_Do() {
	policy := retry.Policy{Attempts: 4, Base: time.Millisecond, Cap: 5 * time.Millisecond}

	tries := 0
	err := policy.Do(context.Background(), func(context.Context) error {
		tries++
		if tries < 3 {
			return errors.New("connection refused")
		}
		return nil
	})
	fmt.Println(tries, "tries, error:", err)
	// Output: 3 tries, error: <nil>
}

// An error that another try would only meet again is marked with Permanent.
func ExamplePermanent() {
	errDeclined := errors.New("the card was declined")

	tries := 0
	err := retry.Policy{}.Do(context.Background(), func(context.Context) error {
		tries++
		return retry.Permanent(errDeclined)
	})
	fmt.Println(tries, "try, error:", err)
	// Output: 1 try, error: the card was declined
}

// A budget keeps retries a share of the requests, here a fifth of them: when a service is
// down, its callers do not multiply its load.
func ExampleBudget() {
	policy := retry.Policy{
		Base:   time.Microsecond,
		Budget: retry.NewBudget(retry.BudgetConfig{Share: 0.2, Floor: -1, Window: time.Hour}),
	}

	tries := 0
	for range 100 {
		_ = policy.Do(context.Background(), func(context.Context) error {
			tries++
			return errors.New("service unavailable")
		})
	}
	fmt.Println("100 requests,", tries-100, "retries")
	// Output: 100 requests, 20 retries
}

// A loop that reconnects uses Backoff directly. random is rand.Float64() in real code.
func ExampleBackoff_Wait() {
	backoff := retry.Backoff{Base: 100 * time.Millisecond, Cap: time.Second, Jitter: 0.5}
	for failures := 1; failures <= 5; failures++ {
		fmt.Println(backoff.Wait(failures, 0), "to", backoff.Wait(failures, 1))
	}
	// Output:
	// 50ms to 100ms
	// 100ms to 200ms
	// 200ms to 400ms
	// 400ms to 800ms
	// 500ms to 1s
}

package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"troupe/patterns/worker"
)

// A worker sends mails that are waiting, up to two per step. Notify wakes it when
// there is a new one; without it the worker would look once a minute.
func ExampleWorker_Run() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	waiting := []string{"welcome", "order confirmed", "order shipped"}
	notifier := worker.NewNotifier()

	mailer := worker.Worker{
		Name: "mailer", Interval: time.Minute, Wake: notifier, BatchSize: 2,
		Step: func(context.Context) (int, error) {
			batch := waiting[:min(2, len(waiting))]
			waiting = waiting[len(batch):]
			fmt.Println("sent:", batch)
			if len(waiting) == 0 {
				stop() // a real worker runs until its service shuts down
			}
			return len(batch), nil
		},
	}
	notifier.Notify()
	mailer.Run(ctx, slog.Default())

	// Output:
	// sent: [welcome order confirmed]
	// sent: [order shipped]
}

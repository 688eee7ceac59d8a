package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"
)

const (
	rawFor         = 3 * time.Second
	rawConnections = 8
	rawOutstanding = 256
)

// rawLimits measures what bare clients get from the servers here and now, to compare
// the other figures with.
func rawLimits(ctx context.Context, o options) error {
	rows, err := rawPostgres(ctx, o.database)
	if err != nil {
		return err
	}
	fmt.Printf("raw PostgreSQL      %8.0f tx/s       (bare pgx, two rows a transaction in one batch, %d connections)\n", rows, rawConnections)
	messages, err := rawRabbit(o.amqp)
	if err != nil {
		return err
	}
	fmt.Printf("raw RabbitMQ        %8.0f messages/s (bare amqp091, 300 B persistent to a quorum queue, %d confirms outstanding)\n\n", messages, rawOutstanding)
	return nil
}

// rawPostgres returns how many transactions a second PostgreSQL takes, each of which writes
// an order row and an outbox row.
func rawPostgres(ctx context.Context, url string) (float64, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return 0, err
	}
	config.MaxConns = rawConnections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS bench_raw (id BIGINT, what TEXT, body TEXT, PRIMARY KEY (id, what))"); err != nil {
		return 0, err
	}
	defer pool.Exec(context.WithoutCancel(ctx), "DROP TABLE bench_raw") //nolint:errcheck // the table is only for this
	var done atomic.Int64
	began := time.Now()
	body := strings.Repeat("x", 300)
	group, ctx := errgroup.WithContext(ctx)
	for range rawConnections {
		group.Go(func() error {
			for time.Since(began) < rawFor {
				id := done.Add(1)
				batch := &pgx.Batch{} // one implicit transaction
				batch.Queue("INSERT INTO bench_raw VALUES ($1, 'order', $2)", id, body)
				batch.Queue("INSERT INTO bench_raw VALUES ($1, 'outbox', $2)", id, body)
				if err := pool.SendBatch(ctx, batch).Close(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), err
}

// rawRabbit returns how many messages a second RabbitMQ confirms.
func rawRabbit(url string) (float64, error) {
	connection, err := amqp.Dial(url)
	if err != nil {
		return 0, err
	}
	defer connection.Close() //nolint:errcheck // all was confirmed by then
	channel, err := connection.Channel()
	if err != nil {
		return 0, err
	}
	const queue = "bench.raw"
	if _, err := channel.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		return 0, err
	}
	defer channel.QueueDelete(queue, false, false, false) //nolint:errcheck // the queue is only for this
	if err := channel.Confirm(false); err != nil {
		return 0, err
	}
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(strings.Repeat("x", 300))}
	outstanding := make([]*amqp.DeferredConfirmation, rawOutstanding)
	sent := 0
	began := time.Now()
	for ; time.Since(began) < rawFor; sent++ {
		slot := &outstanding[sent%rawOutstanding]
		if *slot != nil && !(*slot).Wait() {
			return 0, fmt.Errorf("message %d was not confirmed", sent-rawOutstanding)
		}
		if *slot, err = channel.PublishWithDeferredConfirm("", queue, false, false, message); err != nil {
			return 0, err
		}
	}
	return float64(sent) / time.Since(began).Seconds(), nil
}

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
	"troupe/test/cluster"
)

var rawBody = strings.Repeat("x", 300)

const (
	rawFor         = 2 * time.Second
	rawConnections = 8
	rawWriters     = 64
	rawOutstanding = 256
)

// Raw is what bare clients get here and now, to compare the other figures with.
type Raw struct {
	Postgres float64 `json:"postgres_transactions_per_second,omitempty"` // bare pgx, two rows in one batch, 8 connections
	RabbitMQ float64 `json:"rabbitmq_messages_per_second,omitempty"`     // bare amqp091, 300 B persistent to a quorum queue, 256 confirms outstanding
	SQLite   float64 `json:"sqlite_transactions_per_second,omitempty"`   // two rows each, 64 at a time, flushed together
}

// rawLimits measures what bare clients get.
func (s *system) rawLimits(ctx context.Context) (err error) {
	if s.Kind == cluster.OneProcess {
		s.raw.SQLite, err = rawSQLite(ctx, filepath.Join(s.dir, "raw.db"))
		return err
	}
	if s.raw.Postgres, err = rawPostgres(ctx, s.Server); err != nil {
		return err
	}
	s.raw.RabbitMQ, err = rawRabbit(s.AMQP)
	return err
}

// rawSQLite returns how many transactions a second a file takes, each of which writes
// an order row and an outbox row.
func rawSQLite(ctx context.Context, file string) (float64, error) {
	db, err := sqldb.Open(ctx, sqldb.SQLiteURL(file), sqldb.Options{})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if _, err := db.Exec(ctx, "CREATE TABLE bench_raw (id BIGINT, what TEXT, body TEXT, PRIMARY KEY (id, what))"); err != nil {
		return 0, err
	}
	return rawRate(ctx, rawWriters, func(ctx context.Context, id int64) error {
		return db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			var b sqldb.Batch
			b.Exec(nil, "INSERT INTO bench_raw VALUES ($1, 'order', $2)", id, rawBody)
			b.Exec(nil, "INSERT INTO bench_raw VALUES ($1, 'outbox', $2)", id, rawBody)
			return tx.Run(ctx, &b)
		})
	})
}

// rawRate calls write from so many goroutines for a while and returns the calls per second.
func rawRate(ctx context.Context, goroutines int, write func(ctx context.Context, id int64) error) (float64, error) {
	var done atomic.Int64
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range goroutines {
		group.Go(func() error {
			for time.Since(began) < rawFor {
				if err := write(ctx, done.Add(1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), err
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
	return rawRate(ctx, rawConnections, func(ctx context.Context, id int64) error {
		batch := &pgx.Batch{} // one implicit transaction
		batch.Queue("INSERT INTO bench_raw VALUES ($1, 'order', $2)", id, rawBody)
		batch.Queue("INSERT INTO bench_raw VALUES ($1, 'outbox', $2)", id, rawBody)
		return pool.SendBatch(ctx, batch).Close()
	})
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
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(rawBody)}
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

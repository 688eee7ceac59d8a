package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"troupe/platform/sqldb"
)

// Written is what a pair of servers has been given to write since it was started.
type Written struct {
	Rows       map[string]float64 // inserted, updated and deleted, by database
	WALRecords float64
	WALBytes   float64
	Messages   float64 // received by RabbitMQ
}

// Written returns what the servers have written so far. The counters are exact once the
// sessions that wrote have ended, because each reports its last rows by its end. So a
// system is stopped first.
func (s *Servers) Written(ctx context.Context, databases ...string) (Written, error) {
	w := Written{Rows: map[string]float64{}}
	for _, name := range databases {
		rows, err := s.settledRows(ctx, name)
		if err != nil {
			return w, fmt.Errorf("count the rows of %s: %w", name, err)
		}
		w.Rows[name] = rows
	}
	var err error
	if w.WALRecords, w.WALBytes, err = s.wal(ctx); err != nil {
		return w, fmt.Errorf("read pg_stat_wal: %w", err)
	}
	w.Messages, err = s.messages(ctx)
	return w, err
}

// Minus returns what was written since before.
func (w Written) Minus(before Written) Written {
	d := Written{
		Rows: map[string]float64{}, WALRecords: w.WALRecords - before.WALRecords,
		WALBytes: w.WALBytes - before.WALBytes, Messages: w.Messages - before.Messages,
	}
	for name, rows := range w.Rows {
		d.Rows[name] = rows - before.Rows[name]
	}
	return d
}

// Per returns what was written for each of n orders.
func (w Written) Per(n float64) Written {
	each := Written{Rows: map[string]float64{}, WALRecords: w.WALRecords / n, WALBytes: w.WALBytes / n, Messages: w.Messages / n}
	for name, rows := range w.Rows {
		each.Rows[name] = rows / n
	}
	return each
}

// AllRows returns the rows of all databases.
func (w Written) AllRows() (sum float64) {
	for _, rows := range w.Rows {
		sum += rows
	}
	return sum
}

// settledRows waits until the number of rows no longer changes, and returns it.
func (s *Servers) settledRows(ctx context.Context, database string) (rows float64, err error) {
	db, err := sqldb.Open(ctx, s.DatabaseURL(database), sqldb.Options{MaxConns: 1})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	const tries, enough = 300, 15
	last, same := -1.0, 0
	for range tries {
		err := db.QueryRow(ctx, `SELECT CAST(coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) AS FLOAT8) FROM pg_stat_user_tables`).Scan(&rows)
		if err != nil {
			return 0, err
		}
		if same++; rows != last {
			last, same = rows, 0
		}
		if same == enough {
			return rows, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, errors.New("the number of rows keeps changing: stop the system first")
}

func (s *Servers) wal(ctx context.Context) (records, bytes float64, err error) {
	db, err := sqldb.Open(ctx, s.DatabaseURL("postgres"), sqldb.Options{MaxConns: 1})
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	err = db.QueryRow(ctx, "SELECT CAST(wal_records AS FLOAT8), CAST(wal_bytes AS FLOAT8) FROM pg_stat_wal").Scan(&records, &bytes)
	return records, bytes, err
}

// messages returns how many messages RabbitMQ has received, by its own counters.
func (s *Servers) messages(ctx context.Context) (float64, error) {
	const sum = `io:format("~p~n", [lists:sum([maps:get(messages_received_total, C, 0) || C <- maps:values(rabbit_global_counters:overview())])]).`
	command := exec.CommandContext(ctx, s.script, "rabbitmqctl", "eval", sum)
	command.Env = s.environ
	out, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("ask RabbitMQ for its counters: %w", err)
	}
	number, _, _ := strings.Cut(string(out), "\n")
	return strconv.ParseFloat(strings.TrimSpace(number), 64)
}

package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"troupe/bench/internal/proc"
	"troupe/loadgen"
	"troupe/platform/sqldb"
	"troupe/test/cluster"
)

// Round is what one round on fresh databases has shown.
type Round struct {
	Raw             Raw                `json:"raw"`
	FirstStart      float64            `json:"first_start_ms"`
	IdleMemory      float64            `json:"idle_memory_mb"`
	PeakMemory      float64            `json:"peak_memory_mb"`
	Accepted        float64            `json:"accepted_per_second"`
	Completed       float64            `json:"completed_per_second"` // accepted, held, authorized, captured, committed, paid
	CPU             float64            `json:"cpu_us_per_order"`
	Parts           map[string]float64 `json:"cpu_us_per_order_by_process"`
	Half            *HalfLoad          `json:"half_load,omitempty"`
	Written         *Written           `json:"written_per_order,omitempty"`
	DiskPerOrder    float64            `json:"disk_bytes_per_order,omitempty"`
	WrittenToDevice float64            `json:"bytes_written_to_the_device_per_order,omitempty"` // one process
}

// HalfLoad is what customers notice when half of what can be carried is offered.
type HalfLoad struct {
	Rate   float64         `json:"rate_per_second"`
	Accept loadgen.Latency `json:"accept"` // from when each order was due
	ToPaid loadgen.Latency `json:"accepted_to_paid"`
}

// Written is what the servers have written for an order.
type Written struct {
	Rows       map[string]float64 `json:"rows"`
	AllRows    float64            `json:"all_rows"`
	WALRecords float64            `json:"wal_records"`
	WALBytes   float64            `json:"wal_bytes"`
	Messages   float64            `json:"messages"`
}

// measureRound runs one round of a candidate.
func measureRound(ctx context.Context, o options, c candidate) (r Round, err error) {
	err = withSystem(ctx, o, c, func(s *system) error {
		r.Raw, r.FirstStart, r.IdleMemory = s.raw, float64(s.startup.Milliseconds()), s.memory("VmRSS")
		shop, err := openShop(ctx, s, o)
		if err != nil {
			return err
		}
		if _, err := shop.complete(ctx, loadgen.Offer{Orders: o.warmup}); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
		s.settle()
		if err := r.countedOrders(ctx, o, shop); err != nil {
			return err
		}
		r.PeakMemory = s.memory("VmHWM")
		return r.atHalfLoad(ctx, o, shop)
	})
	return r, err
}

// countedOrders measures orders at full speed, and what they cost.
func (r *Round) countedOrders(ctx context.Context, o options, b *shop) error {
	s := b.system
	before, err := s.counters(ctx)
	if err != nil {
		return err
	}
	p, err := b.complete(ctx, loadgen.Offer{Orders: o.orders, Progress: progressOf(o.orders)})
	if err != nil {
		return err
	}
	s.settle()
	after, err := s.counters(ctx)
	if err != nil {
		return err
	}
	n := float64(o.orders)
	r.Accepted, r.Completed = n/p.Took.Seconds(), n/p.completed.Seconds()
	r.set(before, after, o.orders)
	return nil
}

// counters are what the system has used so far.
type counters struct {
	usage   usage
	written cluster.Written
	disk    float64
	device  float64
}

// counters reads them. The servers' rows need some time to be reported.
func (s *system) counters(ctx context.Context) (c counters, err error) {
	c.usage = s.usage()
	if s.servers != nil {
		if c.written, err = s.servers.Written(ctx, s.databases()...); err != nil {
			return c, err
		}
	}
	if s.Kind == cluster.OneProcess {
		c.device = proc.Written(fmt.Sprint(s.PID(cluster.AllInOne)))
	}
	c.disk, err = s.onDisk(ctx)
	return c, err
}

func (r *Round) set(before, after counters, orders int) {
	n := float64(orders)
	spent := after.usage.minus(before.usage)
	r.CPU, r.Parts = micros(spent.total())/n, spent.perOrder(orders)
	r.DiskPerOrder = (after.disk - before.disk) / n
	r.WrittenToDevice = (after.device - before.device) / n
	if len(after.written.Rows) == 0 {
		return
	}
	w := after.written.Minus(before.written).Per(n)
	r.Written = &Written{Rows: w.Rows, AllRows: w.AllRows(), WALRecords: w.WALRecords, WALBytes: w.WALBytes, Messages: w.Messages}
}

// atHalfLoad measures latencies while half of what was completed is offered.
func (r *Round) atHalfLoad(ctx context.Context, o options, b *shop) error {
	if o.half == 0 {
		return nil
	}
	rate := r.Completed / 2
	logf("offer %.0f orders/s for %s", rate, o.half)
	b.Forget()
	p, err := b.complete(ctx, loadgen.Offer{Rate: rate, For: o.half})
	if err != nil {
		return err
	}
	const sample = 1000
	outcome, err := b.Check(ctx, sample)
	if err != nil {
		return err
	}
	r.Half = &HalfLoad{Rate: rate, Accept: p.Latency, ToPaid: outcome.ToPaid}
	return outcome.Holds()
}

// onDisk returns the size of all databases, in bytes.
func (s *system) onDisk(ctx context.Context) (sum float64, err error) {
	if s.Kind == cluster.OneProcess {
		return sizeOf(s.Data)
	}
	for _, service := range cluster.Backends() {
		if slices.Contains(s.Lacks, service) {
			continue
		}
		db, err := sqldb.Open(ctx, s.Database(service), sqldb.Options{MaxConns: 1})
		if err != nil {
			return 0, err
		}
		var size float64
		err = db.QueryRow(ctx, "SELECT CAST(pg_database_size(current_database()) AS FLOAT8)").Scan(&size)
		_ = db.Close() // it was only read
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

// sizeOf returns the size of all databases in a folder, without their write-ahead logs,
// which are reused.
func sizeOf(folder string) (sum float64, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".db" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += float64(info.Size())
		}
		return err
	})
	return sum, err
}

// progressOf returns a function that prints every five seconds how many of the orders
// were answered.
func progressOf(orders int) func(time.Duration, int) {
	last := time.Duration(0)
	return func(elapsed time.Duration, answered int) {
		if elapsed-last >= 5*time.Second {
			last = elapsed
			logf("%d of %d orders were answered", answered, orders)
		}
	}
}

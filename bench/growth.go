package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"troupe/bench/internal/copies"
	"troupe/loadgen"
	"troupe/platform/sqldb"
	"troupe/test/cluster"
)

// seedOrders is how many real orders are copied.
const seedOrders = 2000

// Point is what was measured with so many orders in the databases.
type Point struct {
	Orders       int                        `json:"orders"`
	Fill         float64                    `json:"fill_seconds"`
	Start        float64                    `json:"start_ms"`
	Completed    float64                    `json:"completed_per_second"`
	CPU          float64                    `json:"cpu_us_per_order"`
	Parts        map[string]float64         `json:"cpu_us_per_order_by_process"`
	Written      *Written                   `json:"written_per_order,omitempty"`
	Reads        map[string]loadgen.Latency `json:"reads"`
	DiskPerOrder float64                    `json:"disk_bytes_per_order"`
	PeakMemory   float64                    `json:"peak_memory_mb"`
}

// growth is a system whose databases grow.
type growth struct {
	*system
	options
	shop   *shop
	copier *copies.Copier
	seeds  []loadgen.Placed
}

// measureGrowth measures each candidate with more and more orders in its databases.
func measureGrowth(ctx context.Context, o options, all candidates) error {
	result := newResult(o, all)
	for i, c := range all {
		err := withSystem(ctx, o, c, func(s *system) (err error) {
			g := &growth{system: s, options: o}
			if err := g.seed(ctx); err != nil {
				return fmt.Errorf("place the orders to copy: %w", err)
			}
			for _, size := range o.grow {
				point, err := g.at(ctx, size)
				if err != nil {
					return fmt.Errorf("with %d orders: %w", size, err)
				}
				point.print()
				result.Candidates[i].Growth = append(result.Candidates[i].Growth, point)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return result.save(o, "growth", result.plotGrowth())
}

// seed places the orders that will be copied, all within one window of ids, and stops the system.
func (g *growth) seed(ctx context.Context) (err error) {
	if g.shop, err = openShop(ctx, g.system, g.options); err != nil {
		return err
	}
	logf("wait until new ids begin with other digits, for a minute at most")
	window, err := copies.NextWindow(ctx)
	if err != nil {
		return err
	}
	if _, err := g.shop.complete(ctx, loadgen.Offer{Orders: seedOrders}); err != nil {
		return err
	}
	g.settle()
	g.seeds = g.shop.Placed()
	g.copier = &copies.Copier{Window: window, Age: g.age}
	if err := g.Stop(); err != nil {
		return err
	}
	return g.withDatabases(ctx, func() error { return g.copier.Prepare(ctx) })
}

// at fills the databases up to that many orders and measures. The system is stopped
// before and after.
func (g *growth) at(ctx context.Context, size int) (p Point, err error) {
	p = Point{Orders: size}
	began := time.Now()
	if err := g.fill(ctx, size); err != nil {
		return p, err
	}
	p.Fill = time.Since(began).Seconds()
	logf("%d orders after %.0f s", size, p.Fill)
	disk, err := g.onDisk(ctx)
	if err != nil {
		return p, err
	}
	p.DiskPerOrder = disk / float64(size)
	if err := g.start(ctx); err != nil {
		return p, err
	}
	p.Start = float64(g.startup.Milliseconds())
	return p, errors.Join(g.measure(ctx, &p), g.Stop())
}

// fill copies until there are that many orders.
func (g *growth) fill(ctx context.Context, size int) error {
	return g.withDatabases(ctx, func() error {
		const step = 25
		for missing := size/seedOrders - 1 - int(g.copier.Made()); missing > 0; missing -= step {
			if err := g.copier.Copy(ctx, min(step, missing)); err != nil {
				return err
			}
			logf("%d of %d orders", (int(g.copier.Made())+1)*seedOrders, size)
		}
		if g.Kind == cluster.OneProcess {
			return nil
		}
		return tidy(ctx, g.copier.Databases)
	})
}

// withDatabases opens the databases for the copier, while the system is stopped.
func (g *growth) withDatabases(ctx context.Context, f func() error) error {
	databases, err := g.OpenDatabases(ctx)
	if err != nil {
		return err
	}
	g.copier.Databases = maps.Clone(databases)
	delete(g.copier.Databases, "users") // an order leaves nothing there
	err = f()
	for _, db := range databases {
		err = errors.Join(err, db.Close())
	}
	return err
}

// tidy does what PostgreSQL does by itself while a database grows slowly.
func tidy(ctx context.Context, databases map[string]sqldb.DB) error {
	for service, db := range databases {
		for _, command := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
			if _, err := db.Exec(ctx, command); err != nil {
				return fmt.Errorf("%s in %s: %w", command, service, err)
			}
		}
	}
	return nil
}

func (g *growth) measure(ctx context.Context, p *Point) error {
	if err := g.shop.SignIn(ctx); err != nil {
		return err
	}
	g.shop.due = 0 // the service counts from its start
	if _, err := g.shop.complete(ctx, loadgen.Offer{Orders: g.warmup}); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	g.settle()
	var r Round
	if err := r.countedOrders(ctx, g.options, g.shop); err != nil {
		return err
	}
	p.Completed, p.CPU, p.Parts, p.Written = r.Completed, r.CPU, r.Parts, r.Written
	p.PeakMemory = g.memory("VmHWM")
	return g.measureReads(ctx, p)
}

// measureReads measures what customers read most.
func (g *growth) measureReads(ctx context.Context, p *Point) error {
	const reads = 500
	p.Reads = map[string]loadgen.Latency{}
	for _, path := range []string{"/orders", "/orders/{id}", "/orders/{id}/timeline", "/notifications"} {
		latency, err := loadgen.Times(reads, func() error {
			order := g.seeds[rand.IntN(len(g.seeds))]
			id := order.ID
			if made := g.copier.Made(); made > 0 {
				id = g.copier.ID(id, 1+rand.Int64N(made))
			}
			return order.Client().Get(ctx, strings.Replace(path, "{id}", id, 1), nil)
		})
		if err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		p.Reads["GET "+path] = latency
	}
	return nil
}

func (p Point) print() {
	fmt.Printf("\n%d orders, %.0f bytes on disk for each: start %.0f ms, %.0f orders/s, %.0f us CPU for each, %.0f MB at most\n",
		p.Orders, p.DiskPerOrder, p.Start, p.Completed, p.CPU, p.PeakMemory)
	for _, name := range names(p.Parts) {
		fmt.Printf("  CPU of %-26s %8.0f us\n", name, p.Parts[name])
	}
	for _, title := range names(p.Reads) {
		fmt.Printf("  %-33s %8.1f ms p50, %.1f ms p99\n", title, p.Reads[title].P50, p.Reads[title].P99)
	}
}

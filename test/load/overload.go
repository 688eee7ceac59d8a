package load

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
)

// Overload measures what a system can carry, and offers it more than that.
type Overload struct {
	Generator
	Orders    sqldb.DB // the database of orders, read to see what became of them
	Customers int
	Sample    int           // how many orders a burst has, to estimate the capacity
	Steady    time.Duration // how long about the capacity is offered, to measure it
	Times     float64       // the load, as a multiple of the capacity
	For       time.Duration
	CPU       func() time.Duration // returns the CPU time that the system has used so far
	Log       func(format string, args ...any)
}

// OverloadReport is what became of the orders.
type OverloadReport struct {
	Capacity  float64 // orders paid per second, when about as many are placed
	Goodput   float64 // orders paid per second under overload
	Answers   Answers
	Cancelled int           // accepted orders that were cancelled
	Recovery  time.Duration // from the end of the load until every accepted order was paid, and a new one too

	// The CPU time for each order that is paid, which hardly depends on what else the
	// machine does: at capacity, and under overload with all refusals.
	CPUAtCapacity, CPUUnderOverload time.Duration
}

// Run runs the overload and waits until all accepted orders are done.
func (o *Overload) Run(ctx context.Context) (r OverloadReport, err error) {
	if err := o.Prepare(ctx, 10); err != nil {
		return r, err
	}
	surge, err := o.NewSurge(ctx, o.Customers)
	if err != nil {
		return r, err
	}
	if err := o.measureCapacity(ctx, surge, &r); err != nil {
		return r, err
	}
	o.Log("capacity %.0f orders/s", r.Capacity)
	if err := o.offerTooMuch(ctx, surge, &r); err != nil {
		return r, err
	}
	r.Cancelled, err = o.countOrders(ctx, "reason = 'deadline'")
	return r, err
}

// measureCapacity measures the most orders per second that are paid while about as many
// are placed as the system can carry. How many these are, a burst shows; but what is paid
// after a burst is more than that, because the system then works on larger batches and on
// nothing else.
func (o *Overload) measureCapacity(ctx context.Context, s *Surge, r *OverloadReport) error {
	began := time.Now()
	if err := s.Burst(ctx, o.Sample, 64); err != nil {
		return err
	}
	if err := o.await(ctx, unfinished, 0); err != nil {
		return err
	}
	burst := float64(o.Sample) / time.Since(began).Seconds()
	for _, times := range []float64{1, 1.3} {
		cpu := o.CPU()
		goodput, answers, err := o.offer(ctx, s, times*burst, o.Steady)
		if err != nil {
			return err
		}
		if err := o.await(ctx, unfinished, 0); err != nil {
			return err
		}
		o.Log("%.0f orders/s are paid of %.0f", goodput, times*burst)
		if goodput > r.Capacity {
			r.Capacity = goodput
			r.CPUAtCapacity = (o.CPU() - cpu) / time.Duration(max(1, answers.Accepted))
		}
	}
	return nil
}

// offer offers orders at a rate and returns how many were paid per second meanwhile.
func (o *Overload) offer(ctx context.Context, s *Surge, perSecond float64, d time.Duration) (goodput float64, a Answers, err error) {
	before, err := o.countOrders(ctx, "paid")
	if err != nil {
		return 0, a, err
	}
	began := time.Now()
	a = s.Run(ctx, perSecond, d)
	ended := time.Now()
	after, err := o.countOrders(ctx, "paid")
	return float64(after-before) / ended.Sub(began).Seconds(), a, err
}

const unfinished = "status = 'pending' OR status = 'confirmed' AND NOT paid"

// offerTooMuch offers more than the capacity, measures what is paid meanwhile, and waits
// until the rest is.
func (o *Overload) offerTooMuch(ctx context.Context, s *Surge, r *OverloadReport) error {
	cpu := o.CPU()
	stop := o.watch(ctx)
	goodput, answers, err := o.offer(ctx, s, o.Times*r.Capacity, o.For)
	ended := time.Now()
	stop()
	if err != nil {
		return err
	}
	r.Goodput, r.Answers = goodput, answers
	if err := o.settle(ctx, s); err != nil {
		return err
	}
	r.Recovery = time.Since(ended)
	if r.Answers.Accepted > 0 {
		r.CPUUnderOverload = (o.CPU() - cpu) / time.Duration(r.Answers.Accepted)
	}
	return nil
}

// settle waits until all orders are decided and followed up, and new ones are accepted.
func (o *Overload) settle(ctx context.Context, s *Surge) error {
	if err := s.Burst(ctx, 1, 1); err != nil {
		return err
	}
	return o.await(ctx, unfinished, 0)
}

// await waits until so many orders meet the condition, or fewer.
func (o *Overload) await(ctx context.Context, condition string, most int) error {
	for {
		n, err := o.countOrders(ctx, condition)
		if err != nil || n <= most {
			return err
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return fmt.Errorf("%d orders where %s are left: %w", n, condition, ctx.Err())
		}
	}
}

func (o *Overload) countOrders(ctx context.Context, condition string) (n int, err error) {
	err = o.Orders.QueryRow(ctx, "SELECT count(*) FROM orders WHERE "+condition).Scan(&n)
	return n, err
}

// watch logs the backlog every few seconds until the function that it returns is called.
func (o *Overload) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for sleep(ctx, 5*time.Second) {
			pending, _ := o.countOrders(ctx, "status = 'pending'")
			unpaid, _ := o.countOrders(ctx, "status = 'confirmed' AND NOT paid")
			paid, _ := o.countOrders(ctx, "paid")
			o.Log("%d undecided, %d confirmed and not paid, %d paid", pending, unpaid, paid)
		}
	}()
	return func() { cancel(); <-ended }
}

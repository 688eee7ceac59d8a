package simulation

import (
	"context"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/platform/sqldb"
)

// Bug is a mistake planted in the system, to show that the simulation finds it. It is
// planted from outside, between a service and its dependencies; the services know
// nothing of it.
type Bug struct {
	Name string
	// Rewrite changes a statement before it reaches a service's database.
	Rewrite func(service, sql string, args []any) (string, []any)
	// BeforeCommit runs at the end of every transaction of a service.
	BeforeCommit func(ctx context.Context, service string, tx sqldb.Tx) error
	// NoWake is the name of a service whose commits wake no worker.
	NoWake string
	// Edit changes the components of a service.
	Edit func(service string, c *app.Components)
	// Publish changes the results of publishing, between a service's outbox and the broker.
	Publish func(messages []bus.Message, errs []error)
	// AckEarly acknowledges deliveries before they are handled.
	AckEarly bool
	// AckHalf acknowledges batches of which only the first half is handled.
	AckHalf bool
	// AckStale sends the acknowledgements of a broken session on the next session.
	AckStale bool
	// SleepsUnnoticed lets the clocks of the processes run while the machine sleeps.
	SleepsUnnoticed bool
}

func (b *Bug) rewrite(service, sql string, args []any) (string, []any) {
	if b == nil || b.Rewrite == nil {
		return sql, args
	}
	return b.Rewrite(service, sql, args)
}

func (b *Bug) beforeCommit(ctx context.Context, service string, tx sqldb.Tx) error {
	if b == nil || b.BeforeCommit == nil {
		return nil
	}
	return b.BeforeCommit(ctx, service, tx)
}

func (b *Bug) wakesNobody(service string) bool { return b != nil && b.NoWake == service }

func (b *Bug) edit(service string, c *app.Components) {
	if b != nil && b.Edit != nil {
		b.Edit(service, c)
	}
}

func (b *Bug) published(messages []bus.Message, errs []error) {
	if b != nil && b.Publish != nil {
		b.Publish(messages, errs)
	}
}

func (b *Bug) acksEarly() bool { return b != nil && b.AckEarly }
func (b *Bug) acksHalf() bool  { return b != nil && b.AckHalf }
func (b *Bug) acksStale() bool { return b != nil && b.AckStale }

func (b *Bug) sleepsUnnoticed() bool { return b != nil && b.SleepsUnnoticed }

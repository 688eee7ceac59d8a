package simulation

import (
	"context"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/platform/sqldb"
)

// Fault is a mistake built into the system, to see whether the simulation
// notices. It is put in from outside, between a service and what it is given;
// the services know nothing of it.
type Fault struct {
	Name string
	// Rewrite changes a statement on its way to a service's database.
	Rewrite func(service, sql string, args []any) (string, []any)
	// BeforeCommit adds to every transaction of a service.
	BeforeCommit func(ctx context.Context, service string, tx sqldb.Tx) error
	// Deaf is a service whose commits wake nobody.
	Deaf string
	// Edit changes what a service consists of.
	Edit func(service string, parts *app.Components)
	// Publish stands between a service's outbox and the broker.
	Publish func(messages []bus.Message, errs []error)
	// AckEarly acknowledges what is handed out before it is handled.
	AckEarly bool
	// AckStale sends the acknowledgement of a session that broke on the next one.
	AckStale bool
}

func (f *Fault) rewrite(service, sql string, args []any) (string, []any) {
	if f == nil || f.Rewrite == nil {
		return sql, args
	}
	return f.Rewrite(service, sql, args)
}

func (f *Fault) beforeCommit(ctx context.Context, service string, tx sqldb.Tx) error {
	if f == nil || f.BeforeCommit == nil {
		return nil
	}
	return f.BeforeCommit(ctx, service, tx)
}

func (f *Fault) deafTo(service string) bool { return f != nil && f.Deaf == service }

func (f *Fault) edit(service string, parts *app.Components) {
	if f != nil && f.Edit != nil {
		f.Edit(service, parts)
	}
}

func (f *Fault) published(messages []bus.Message, errs []error) {
	if f != nil && f.Publish != nil {
		f.Publish(messages, errs)
	}
}

func (f *Fault) acksEarly() bool { return f != nil && f.AckEarly }
func (f *Fault) acksStale() bool { return f != nil && f.AckStale }

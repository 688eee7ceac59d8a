package invariants

import (
	"context"
	"errors"
	"time"
)

// AwaitQuiet waits until nothing is left to do, all accounts agree and every
// customer was notified, and returns what is wrong if that is not so when ctx
// ends. It expires the leases of dead processes rather than wait for them.
func AwaitQuiet(ctx context.Context, d Databases) (wrong error) {
	for {
		err := errors.Join(Quiet(ctx, d), EveryCustomerNotified(ctx, d))
		if err == nil {
			return nil
		}
		if err = errors.Join(err, ExpireLeases(ctx, d)); ctx.Err() == nil {
			wrong = err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), wrong)
		}
	}
}

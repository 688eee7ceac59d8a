// Package copies fills the databases of a stopped system with copies of real orders, as
// if they had been placed earlier. It knows no table: the ids that were made within one
// minute, which are UUIDs of version 7, begin with the same eight digits, and a copy has
// other ones there, in every column of every table. Its times are as much earlier.
package copies

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
)

// Window is a span of time in which all ids begin with the same digits.
type Window int64

// windowLength is the time after which the first eight digits of a UUIDv7 change.
const windowLength = (1 << 16) * time.Millisecond

// NextWindow waits until the next window begins, for a minute at most, and returns it.
// What was made before, such as the customers, is then not copied.
func NextWindow(ctx context.Context) (Window, error) {
	next := Window(time.Now().UnixMilli()>>16) + 1
	select {
	case <-time.After(time.Until(time.UnixMilli(int64(next) << 16))):
		return next, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// prefix returns the digits with which the ids of the window begin, and the hyphen after them.
func (w Window) prefix() string { return fmt.Sprintf("%08x-", int64(w)) }

// Copier makes copies of what was written in one window.
type Copier struct {
	Databases map[string]sqldb.DB // by service
	Window    Window
	Age       time.Duration // how much older the youngest copy is
	tables    map[string][]table
	made      int64
}

// Prepare sets what is copied aside. The system must be stopped, and everything done.
func (c *Copier) Prepare(ctx context.Context) error {
	c.tables = map[string][]table{}
	for service, db := range c.Databases {
		all, err := readTables(ctx, db)
		if err != nil {
			return fmt.Errorf("read the tables of %s: %w", service, err)
		}
		for _, t := range all {
			if err := t.setAside(ctx, db, c.Window); err != nil {
				return fmt.Errorf("set %s of %s aside: %w", t.name, service, err)
			}
		}
		c.tables[service] = all
	}
	return nil
}

// Copy makes n more copies, in all databases at the same time.
func (c *Copier) Copy(ctx context.Context, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	for service, db := range c.Databases {
		group.Go(func() error {
			for i := range int64(n) {
				if err := c.copyOne(ctx, db, c.tables[service], c.made+i+1); err != nil {
					return fmt.Errorf("copy in %s: %w", service, err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	c.made += int64(n)
	return err
}

func (c *Copier) copyOne(ctx context.Context, db sqldb.DB, tables []table, number int64) error {
	return db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var b sqldb.Batch
		for _, t := range tables {
			b.Exec(nil, t.copyText(c.Window, c.window(number), number))
		}
		return tx.Run(ctx, &b)
	})
}

// window returns the window of a copy. The first copy has the number 1.
func (c *Copier) window(number int64) Window {
	return c.Window - Window(int64(c.Age/windowLength)+number)
}

// ID returns the id in a copy of what has the given id.
func (c *Copier) ID(id string, number int64) string {
	return strings.Replace(id, c.Window.prefix(), c.window(number).prefix(), 1)
}

// Made returns how many copies there are.
func (c *Copier) Made() int64 { return c.made }

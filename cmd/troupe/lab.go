package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"time"

	"troupe/client"
	"troupe/patterns/retry"
)

type labCommand struct {
	List  listFaults  `cmd:"" default:"withargs" help:"List the faults that can be caused, and those that are active."`
	Run   runFault    `cmd:"" help:"Cause a fault, and show the order that it hits."`
	Clear clearFaults `cmd:"" help:"End all faults at once."`
}

const labPath = "/console/api/lab"

// labFault is a fault as the console lists it.
type labFault struct {
	ID      string     `json:"id"`
	Title   string     `json:"title"`
	Expect  string     `json:"expect"`
	Active  bool       `json:"active"`
	EndsAt  *time.Time `json:"ends_at,omitempty"`
	OrderID string     `json:"order_id,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

func (f labFault) row() string {
	state := "-"
	if f.Active && f.EndsAt != nil {
		state = "active until " + f.EndsAt.Local().Format(time.TimeOnly)
	}
	return fmt.Sprintf("%s\t%s\t%s", f.ID, f.Title, state)
}

type listFaults struct {
	operator
	listing
}

// Run lists the faults.
func (c listFaults) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	faults, err := listLab(ctx, admin)
	if err != nil {
		return err
	}
	if err := printList(c.listing, faults, "there are no faults", "FAULT\tTITLE\tSTATE", labFault.row); err != nil || c.JSON {
		return err
	}
	_, err = fmt.Println("\n'troupe lab run FAULT' causes one and says what should be seen; 'troupe lab clear' ends all.")
	return err
}

func listLab(ctx context.Context, admin *client.Client) ([]labFault, error) {
	var lab struct{ Items []labFault }
	err := admin.Get(ctx, labPath, &lab)
	return lab.Items, err
}

type runFault struct {
	operator
	Fault   string        `arg:"" help:"The fault, as 'troupe lab' lists it."`
	Seconds int           `default:"20" help:"When the fault ends by itself, at most 120."`
	Wait    time.Duration `default:"2m" help:"How long to wait for the end of the order."`
}

// labVerdict is the order of a run as the console describes it.
type labVerdict struct {
	Status, Verdict string
}

// Run causes the fault and prints each change of the verdict on its order.
func (c runFault) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var f labFault
	if err := admin.Post(ctx, fmt.Sprintf("%s/%s?seconds=%d", labPath, url.PathEscape(c.Fault), c.Seconds), nil, &f); err != nil {
		return err
	}
	c.printStart(f)
	began, shown := time.Now(), ""
	for time.Since(began) < c.Wait {
		v := verdictOf(ctx, admin, f.OrderID)
		if undated := durations.ReplaceAllString(v.Verdict, ""); undated != shown {
			shown = undated
			fmt.Printf("  %8s  %s\n", "+"+time.Since(began).Round(100*time.Millisecond).String(), v.Verdict)
		}
		if (v.Status == "paid" || v.Status == "cancelled") && !c.isActive(ctx, admin) {
			return nil
		}
		if err := retry.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("order %s has not ended after %s; 'troupe order %s' shows what it waits for", f.OrderID, c.Wait, f.OrderID)
}

// durations are those in a verdict on an order that waits, which grow all the while.
var durations = regexp.MustCompile(`([0-9.]+ (ms|s|min|h)\b ?)+`)

// printStart prints what should be seen now, where, and how the fault ends.
func (c runFault) printStart(f labFault) {
	fmt.Printf("%s\n  what should be seen: %s\n  order %s, at %s/console/orders/%s\n", f.Title, f.Expect, f.OrderID, c.gateway(), f.OrderID)
	if f.EndsAt != nil {
		fmt.Printf("  ends by itself at %s; 'troupe lab clear' ends it at once\n", f.EndsAt.Local().Format(time.TimeOnly))
	}
	fmt.Println()
}

// verdictOf returns how an order stands: the verdict of the console, or else its own
// state.
func verdictOf(ctx context.Context, admin *client.Client, orderID string) labVerdict {
	var v labVerdict
	if err := admin.Get(ctx, "/console/api/orders/"+url.PathEscape(orderID), &v); err == nil {
		return v
	}
	o, err := admin.Order(ctx, orderID)
	if err != nil {
		return labVerdict{Verdict: "The order cannot be seen now: " + err.Error()}
	}
	v = labVerdict{Status: o.Status, Verdict: fmt.Sprintf("The order is %s, and its payment %s.", o.Status, o.PaymentState)}
	if o.PaymentState == "captured" {
		v.Status = "paid"
	}
	return v
}

// isActive reports whether the fault goes on.
func (c runFault) isActive(ctx context.Context, admin *client.Client) bool {
	faults, err := listLab(ctx, admin)
	for _, f := range faults {
		if f.ID == c.Fault && f.Active {
			return true
		}
	}
	return err != nil
}

type clearFaults struct{ operator }

// Run ends all faults.
func (c clearFaults) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	faults, err := listLab(ctx, admin)
	if err != nil {
		return err
	}
	ended := 0
	for _, f := range faults {
		if !f.Active {
			continue
		}
		if err := admin.Delete(ctx, labPath+"/"+url.PathEscape(f.ID)); err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, "ended:", f.Title)
		ended++
	}
	if ended == 0 {
		fmt.Println("no fault was active")
	}
	return nil
}

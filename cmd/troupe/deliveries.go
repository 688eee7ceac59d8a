package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"troupe/client"
)

type deliveriesCommand struct {
	List     listDeliveries   `cmd:"" default:"withargs" help:"List deliveries, newest first."`
	Show     showDelivery     `cmd:"" help:"Show one delivery with its attempts."`
	Retry    retryDeliveries  `cmd:"" help:"Try a delivery again, or all of a state."`
	Resolve  resolveDelivery  `cmd:"" help:"State whether a mail whose outcome is unknown was sent."`
	Suppress suppressDelivery `cmd:"" help:"Do not send a delivery that waits."`
}

// delivery is an entry of GET /deliveries.
type delivery struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Channel   string    `json:"channel"`
	WebhookID string    `json:"webhook_id,omitempty"`
	UserID    string    `json:"user_id,omitempty"`
	OrderID   string    `json:"order_id,omitempty"`
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	Reply     string    `json:"reply,omitempty"`
	NextAt    time.Time `json:"next_at,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	Log       []struct {
		N       int       `json:"n"`
		Phase   string    `json:"phase"`
		State   string    `json:"state"`
		Reply   string    `json:"reply,omitempty"`
		EndedAt time.Time `json:"ended_at"`
	} `json:"log,omitempty"`
}

type listDeliveries struct {
	operator
	listing
	State   string `help:"Only those in this state: queued, waiting, sending, sent, deferred, unknown, rejected, expired, suppressed, superseded, bounced or complained."`
	Channel string `enum:"email,push,webhook," default:"" help:"Only those of this channel: email, push or webhook."`
	Kind    string `help:"Only those about this, such as order.paid; for webhooks order.paid.v1."`
	Order   string `help:"Only those about this order."`
	User    string `help:"Only those to this user."`
	Limit   int    `default:"50" help:"How many to list."`
}

// Run lists deliveries of all channels.
func (c listDeliveries) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var all []delivery
	query := url.Values{}
	for name, value := range map[string]string{"state": c.State, "channel": c.Channel, "kind": c.Kind, "order_id": c.Order, "user_id": c.User} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for left := c.Limit; left > 0; {
		query.Set("limit", strconv.Itoa(min(left, 100)))
		var page struct {
			Items      []delivery `json:"items"`
			NextCursor string     `json:"next_cursor"`
		}
		if err := admin.Get(ctx, "/deliveries?"+query.Encode(), &page); err != nil {
			return err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			break
		}
		left -= len(page.Items)
		query.Set("cursor", page.NextCursor)
	}
	return printList(c.listing, all, "no delivery is like that", "DELIVERY\tCHANNEL\tKIND\tSTATE\tATTEMPTS\tCREATED\tORDER\tREPLY", delivery.row)
}

func (d delivery) row() string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s", d.ID, d.Channel, d.Kind, d.State, d.Attempts, d.CreatedAt.Format(time.RFC3339), d.OrderID, d.Reply)
}

type oneDelivery struct {
	operator
	Delivery string `arg:"" help:"The delivery's id."`
}

// call calls an operation of the delivery, or shows it without one, and prints it.
func (c oneDelivery) call(ctx context.Context, operation string, body any) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	return callDelivery(ctx, admin, c.Delivery, operation, body)
}

func callDelivery(ctx context.Context, admin *client.Client, id, operation string, body any) error {
	var d delivery
	path := "/deliveries/" + url.PathEscape(id)
	var err error
	if operation == "" {
		err = admin.Get(ctx, path, &d)
	} else {
		err = admin.Post(ctx, path+"/"+operation, body, &d)
	}
	if err != nil {
		return err
	}
	fmt.Printf("delivery  %s\nchannel   %s\nto        %s\nkind      %s\norder     %s\nstate     %s after %d attempts\ncreated   %s\n",
		d.ID, d.Channel, cmp.Or(d.UserID, d.WebhookID), d.Kind, d.OrderID, d.State, d.Attempts, d.CreatedAt.Format(time.RFC3339))
	if !d.NextAt.IsZero() {
		fmt.Printf("next      %s\n", d.NextAt.Format(time.RFC3339))
	}
	for _, a := range d.Log {
		fmt.Printf("attempt %d  %s  %s (%s)  %s\n", a.N, a.EndedAt.Format(time.RFC3339), a.State, a.Phase, a.Reply)
	}
	return nil
}

type showDelivery struct{ oneDelivery }

// Run shows one delivery.
func (c showDelivery) Run(ctx context.Context) error { return c.call(ctx, "", nil) }

type suppressDelivery struct{ oneDelivery }

// Run ends one delivery that waits.
func (c suppressDelivery) Run(ctx context.Context) error { return c.call(ctx, "suppress", nil) }

type resolveDelivery struct {
	oneDelivery
	Sent    bool `xor:"outcome" required:"" help:"It was sent: nothing more happens."`
	NotSent bool `xor:"outcome" required:"" help:"It was not sent: it is sent now."`
}

// Run ends the doubt about one mail.
func (c resolveDelivery) Run(ctx context.Context) error {
	return c.call(ctx, "resolve", map[string]bool{"sent": c.Sent})
}

type retryDeliveries struct {
	operator
	Delivery string `arg:"" optional:"" help:"The delivery's id."`
	All      string `enum:"rejected,expired,bounced,unknown,deferred," default:"" placeholder:"STATE" help:"Instead of one: all in this state (rejected, expired, bounced, unknown or deferred)."`
	Channel  string `enum:"email,push,webhook," default:"" help:"With --all: only those of this channel."`
	Kind     string `help:"With --all: only those about this, such as order.paid."`
}

// Run tries one delivery again, or all of a state.
func (c retryDeliveries) Run(ctx context.Context) error {
	if (c.Delivery == "") == (c.All == "") {
		return errors.New("give the id of a delivery, or --all with a state")
	}
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	if c.Delivery != "" {
		return callDelivery(ctx, admin, c.Delivery, "retry", nil)
	}
	body := map[string]string{"state": c.All}
	for name, value := range map[string]string{"channel": c.Channel, "kind": c.Kind} {
		if value != "" {
			body[name] = value
		}
	}
	var done struct {
		Retried int `json:"retried"`
	}
	if err := admin.Post(ctx, "/deliveries/retry", body, &done); err != nil {
		return err
	}
	fmt.Printf("%d deliveries are tried again\n", done.Retried)
	return nil
}

package notifications

import (
	"context"
	"errors"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
)

var errLeaseLost = errors.New("another sender has leased this mail")

// submit sends the mails that are ready to the SMTP server, one after the other, over as
// few connections as possible. If it cannot connect to the server, it defers all mails
// that remain. Those for which the time of the lease does not suffice it releases
// without an attempt.
func (s *service) submit(ctx context.Context, leaseID string, jobs []*job) {
	conn := &connection{open: s.server.Open}
	defer conn.close()
	until := s.Now().Add(leaseTime)
	for _, j := range jobs {
		if !j.ready {
			continue
		}
		if ctx.Err() != nil || !s.Now().Before(until) {
			j.release(s.Now())
			continue
		}
		a := conn.send(ctx, j.mail, func() error { return s.markDot(ctx, j.ID, leaseID) })
		mailSent.Hit()
		if a.State != delivery.Sent {
			s.Log.Warn("mail not sent", "delivery", j.ID, "attempt", j.Attempts, "state", a.State, "phase", a.Phase, "reply", a.Reply)
		}
		j.end(a, s.Now())
	}
}

// markDot commits that the final dot is about to be sent. It returns errLeaseLost if the
// lease is no longer held: then only the sender that holds it may send the mail.
func (s *service) markDot(ctx context.Context, id, leaseID string) error {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		held, err := store.MarkDot(ctx, tx, id, leaseID, s.Now().Add(s.server.DotTimeout+time.Minute))
		if err == nil && !held {
			err = errLeaseLost
		}
		return err
	})
	mailAnnounced.Hit()
	return err
}

// connection is the connection to the SMTP server. It is opened when it is needed.
type connection struct {
	open    func(context.Context) (*smtp.Session, error)
	session *smtp.Session
	err     error // why it could not be opened; it is not tried again
}

// send sends one mail. Servers close a connection that is idle or has carried many
// mails. If a connection that was used before ends that way, send opens a new one and
// sends the mail over it at once.
func (c *connection) send(ctx context.Context, m smtp.Message, beforeDot func() error) delivery.Attempt {
	reused := c.session != nil && !c.session.Broken()
	a := c.sendOnce(ctx, m, beforeDot)
	if reused && c.session.Broken() && a.Phase == delivery.Mail {
		return c.sendOnce(ctx, m, beforeDot)
	}
	return a
}

func (c *connection) sendOnce(ctx context.Context, m smtp.Message, beforeDot func() error) delivery.Attempt {
	if c.err == nil && (c.session == nil || c.session.Broken()) {
		c.session, c.err = c.open(ctx)
	}
	if c.err != nil {
		return delivery.Ended(delivery.Connect, c.err)
	}
	return c.session.Send(m, beforeDot)
}

func (c *connection) close() {
	if c.session != nil {
		c.session.Close()
	}
}

package notifications

import (
	"context"
	"errors"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/mail"
	"troupe/services/notifications/internal/store"
)

var errLeaseLost = errors.New("another sender has taken this mail over")

// submit hands the ready mails to the SMTP server, one after the other over as
// few connections as it can. If there is no talking to the server, the rest are
// deferred together; what time does not suffice for is given back untried.
func (s *service) submit(ctx context.Context, held string, jobs []*job) {
	line := &line{open: s.server.Open}
	defer line.hangUp()
	until := s.now().Add(lease)
	for _, j := range jobs {
		if !j.ready {
			continue
		}
		if ctx.Err() != nil || !s.now().Before(until) {
			j.giveBack(s.now())
			continue
		}
		a := line.send(ctx, j.mail, func() error { return s.markDot(ctx, j.ID, held) })
		mailSent.Hit()
		if a.State != delivery.Sent {
			s.log.Warn("mail not sent", "delivery", j.ID, "attempt", j.Attempts, "state", a.State, "phase", a.Phase, "reply", a.Reply)
		}
		j.end(a, s.now())
	}
}

// markDot commits that the final dot is about to be sent, unless the mail is not
// ours any more: then nobody must send it but whoever has it now.
func (s *service) markDot(ctx context.Context, id, held string) error {
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		ours, err := store.MarkDot(ctx, tx, id, held, s.now().Add(s.server.DotTimeout+time.Minute))
		if err == nil && !ours {
			err = errLeaseLost
		}
		return err
	})
	mailAnnounced.Hit()
	return err
}

// line is the connection to the server, opened when it is needed.
type line struct {
	open    func(context.Context) (*mail.Session, error)
	session *mail.Session
	dead    error // why there is no talking to the server
}

// send sends one mail. Servers hang up on idlers and after so many mails: if
// that is how an old connection ends, a new one gets the mail at once.
func (l *line) send(ctx context.Context, m mail.Message, beforeDot func() error) delivery.Attempt {
	reused := l.session != nil && !l.session.Broken()
	a := l.sendOnce(ctx, m, beforeDot)
	if reused && l.session.Broken() && a.Phase == delivery.Mail {
		return l.sendOnce(ctx, m, beforeDot)
	}
	return a
}

func (l *line) sendOnce(ctx context.Context, m mail.Message, beforeDot func() error) delivery.Attempt {
	if l.dead == nil && (l.session == nil || l.session.Broken()) {
		l.session, l.dead = l.open(ctx)
	}
	if l.dead != nil {
		return delivery.Ended(delivery.Connect, l.dead)
	}
	return l.session.Send(m, beforeDot)
}

func (l *line) hangUp() {
	if l.session != nil {
		l.session.Close()
	}
}

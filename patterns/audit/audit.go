package audit

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// Migrations create the table audit_log, which the database keeps append-only; versions
// 601 to 699.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Outcome is how an action ended.
type Outcome string

// The outcomes.
const (
	OK        Outcome = "ok"
	Refused   Outcome = "refused"   // by a rule: a wrong password, a missing role, a state that does not permit it
	Throttled Outcome = "throttled" // without a look, because there were too many attempts
)

// Entry is what a service states about an action. The log adds the time, the caller, the
// addresses and the request's id from the context.
type Entry struct {
	Action  string  // a verb and its object: "refund_payment"
	Outcome Outcome // empty means OK
	Actor   string  // the id of who did it; empty means the caller in the context
	Target  string  // the id of what it was done to
	Detail  string  // one sentence or number that helps to understand it; no personal data
}

// Config is what a Log needs. All fields are required.
type Config struct {
	Service string
	DB      sqldb.DB
	Now     func() time.Time
	NewID   func() string // UUIDv7
	Log     *slog.Logger
}

// Log is the audit log of one service.
type Log struct {
	config   Config
	refusals *allowance
	lost     prometheus.Counter
}

// New returns the log of a service whose database has the Migrations.
func New(c Config) *Log {
	return &Log{config: c, refusals: newAllowance(), lost: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "troupe_audit_left_out_total",
		Help: "Refusals that the audit log left out because there were too many, or because the database failed.",
	})}
}

// RegisterMetrics registers the log's metrics.
func (l *Log) RegisterMetrics(r *prometheus.Registry) { r.MustRegister(l.lost) }

// Record adds an entry in the transaction of the action.
func (l *Log) Record(ctx context.Context, tx sqldb.Tx, e Entry) error {
	if err := l.insert(ctx, tx, e); err != nil {
		return err
	}
	if r := requestOf(ctx); r != nil {
		tx.OnCommit(func() { r.recorded.Store(true) })
	}
	return nil
}

// Refuse adds an entry about something that was not done, in a transaction of its own.
// It never fails: the caller is refused in any case.
//
// A log that strangers can fill is a way to fill the disk. In a row 300 refusals are
// recorded, and then 5 a second. Those beyond are counted, and the next entry that is
// recorded is preceded by one that states their number.
func (l *Log) Refuse(ctx context.Context, e Entry) {
	permitted, leftOut := l.refusals.take(l.config.Now())
	if !permitted {
		l.lost.Inc()
		return
	}
	// The client may have disconnected, and must not be able to avoid the entry by that.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := l.config.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if leftOut > 0 {
			if err := l.insert(ctx, tx, leftOutEntry(leftOut)); err != nil {
				return err
			}
		}
		return l.insert(ctx, tx, e)
	})
	if err != nil {
		l.lost.Inc()
		l.config.Log.ErrorContext(ctx, "a refusal is missing in the audit log", "action", e.Action, "actor", e.Actor, "target", e.Target, "error", err)
	}
}

func leftOutEntry(n int) Entry {
	return Entry{
		Action: "leave_out_refusals", Actor: "system",
		Detail: fmt.Sprintf("%d refusals before this entry were not recorded, because there were too many", n),
	}
}

func (l *Log) insert(ctx context.Context, tx sqldb.Tx, e Entry) error {
	caller := auth.CallerOf(ctx)
	role := ""
	if e.Actor == "" || e.Actor == caller.UserID {
		e.Actor, role = caller.UserID, string(caller.Role)
	}
	if e.Outcome == "" {
		e.Outcome = OK
	}
	var from request
	if r := requestOf(ctx); r != nil {
		from = request{client: r.client, peer: r.peer}
	}
	_, err := tx.Exec(ctx, `INSERT INTO audit_log
		(id, service, at, action, outcome, actor, role, target, detail, client_address, peer_address, request_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		l.config.NewID(), l.config.Service, sqldb.Micros(l.config.Now()), e.Action, string(e.Outcome), e.Actor, role,
		shorten(e.Target), shorten(e.Detail), from.client, from.peer, telemetry.RequestID(ctx))
	if err != nil {
		return fmt.Errorf("add to the audit log: %w", err)
	}
	return nil
}

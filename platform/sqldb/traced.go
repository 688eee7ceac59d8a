package sqldb

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/telemetry"
)

// Traced returns db with a span for each transaction that runs on behalf of a recorded span.
// name names the database in the spans. The span lists what the statements do and to which
// tables ("INSERT outbox"), never a value. How long each takes is measured; see RegisterMetrics.
func Traced(db DB, name string) *TracedDB {
	system := "sqlite"
	if _, ok := db.(*postgresDB); ok {
		system = "postgresql"
	}
	return &TracedDB{DB: db, name: name, system: system, span: "transaction " + name, metrics: newMetrics(system, name)}
}

// TracedDB is a DB whose operations are traced and measured.
type TracedDB struct {
	DB
	name, system string
	span         string // the name of its spans
	metrics      *metrics
}

// RegisterMetrics registers how long the operations take.
func (d *TracedDB) RegisterMetrics(r prometheus.Registerer) { r.MustRegister(d.metrics.durations) }

func (d *TracedDB) start(ctx context.Context) *telemetry.Span {
	_, span := telemetry.StartSpan(ctx, telemetry.Client, d.span)
	if span != nil {
		span.Set("db.system.name", d.system)
		span.Set("db.namespace", d.name)
	}
	return span
}

// Tx implements DB.
func (d *TracedDB) Tx(ctx context.Context, fn func(context.Context, Tx) error) error {
	return d.transact(ctx, d.DB.Tx, fn)
}

// TxRelaxed implements DB.
func (d *TracedDB) TxRelaxed(ctx context.Context, fn func(context.Context, Tx) error) error {
	return d.transact(ctx, d.DB.TxRelaxed, fn)
}

// transact runs a transaction. Its function gets the caller's context, so that what it
// publishes continues the caller's span and not this one.
func (d *TracedDB) transact(ctx context.Context, run func(context.Context, func(context.Context, Tx) error) error, fn func(context.Context, Tx) error) error {
	began := time.Now()
	span := d.start(ctx)
	if span == nil {
		err := run(ctx, fn)
		d.metrics.transactions.since(began, err)
		return err
	}
	var statements summary
	attempts := 0
	err := run(ctx, func(ctx context.Context, tx Tx) error {
		statements = summary{}
		attempts++
		return fn(ctx, tracedTx{tx, &statements})
	})
	if attempts > 1 {
		span.SetInt("troupe.db.attempts", attempts)
	}
	end(span, statements.String(), err)
	d.metrics.transactions.since(began, err)
	return err
}

// Exec implements DB.
func (d *TracedDB) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	began, span := time.Now(), d.start(ctx)
	n, err := d.DB.Exec(ctx, sql, args...)
	end(span, summaryOf(span, sql), err)
	d.metrics.statements.since(began, err)
	return n, err
}

// Run implements DB.
func (d *TracedDB) Run(ctx context.Context, b *Batch) error {
	began, span := time.Now(), d.start(ctx)
	err := d.DB.Run(ctx, b)
	d.metrics.transactions.since(began, err)
	if span != nil {
		var statements summary
		statements.addAll(b)
		end(span, statements.String(), err)
	}
	return err
}

// Query implements DB. The span ends when the database has begun to answer.
func (d *TracedDB) Query(ctx context.Context, sql string, args ...any) (Rows, error) {
	began, span := time.Now(), d.start(ctx)
	rows, err := d.DB.Query(ctx, sql, args...)
	end(span, summaryOf(span, sql), err)
	d.metrics.queries.since(began, err)
	return rows, err
}

// QueryRow implements DB.
func (d *TracedDB) QueryRow(ctx context.Context, sql string, args ...any) Row {
	rows, err := d.Query(ctx, sql, args...)
	return row{rows, err}
}

// end ends the span. Only what kind of error it was is recorded: the text of one may name
// what is personal.
func end(span *telemetry.Span, summary string, err error) {
	if span == nil {
		return
	}
	span.Set("db.query.summary", summary)
	if err != nil {
		span.Fail("transaction_failed", "rolled back")
	}
	span.End()
}

// tracedTx is a transaction that notes its statements.
type tracedTx struct {
	Tx
	statements *summary
}

func (t tracedTx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	t.statements.add(sql)
	return t.Tx.Exec(ctx, sql, args...)
}

func (t tracedTx) Query(ctx context.Context, sql string, args ...any) (Rows, error) {
	t.statements.add(sql)
	return t.Tx.Query(ctx, sql, args...)
}

func (t tracedTx) QueryRow(ctx context.Context, sql string, args ...any) Row {
	t.statements.add(sql)
	return t.Tx.QueryRow(ctx, sql, args...)
}

func (t tracedTx) Run(ctx context.Context, b *Batch) error {
	t.statements.addAll(b)
	return t.Tx.Run(ctx, b)
}

// summary lists statements, as the attribute db.query.summary does.
type summary struct {
	strings.Builder
	full bool // what follows is left out
}

// longestSummary is the length that OpenTelemetry recommends at most.
const longestSummary = 255

func summaryOf(span *telemetry.Span, sql string) string {
	if span == nil {
		return ""
	}
	var s summary
	s.add(sql)
	return s.String()
}

func (s *summary) addAll(b *Batch) {
	for _, item := range b.items {
		s.add(item.sql)
	}
}

// add adds the verb and the first table of a statement.
func (s *summary) add(sql string) {
	if s.full {
		return
	}
	known, ok := verbsAndTables.Load(sql)
	if !ok {
		known = verbAndTable(sql)
		verbsAndTables.Store(sql, known)
	}
	text := known.(string)
	if s.full = s.Len()+len(text)+1 > longestSummary; s.full || text == "" {
		return
	}
	if s.Len() > 0 {
		s.WriteByte(' ')
	}
	s.WriteString(text)
}

// verbsAndTables has the summary of each statement: a program has a limited number of them.
var verbsAndTables sync.Map

func verbAndTable(sql string) string {
	words := strings.Fields(sql)
	if len(words) == 0 {
		return ""
	}
	for i, w := range words[:len(words)-1] {
		if w == "FROM" || w == "INTO" || w == "UPDATE" {
			return words[0] + " " + strings.TrimFunc(words[i+1], func(r rune) bool { return strings.ContainsRune("(),;", r) })
		}
	}
	return words[0]
}

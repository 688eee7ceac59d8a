// Package audit keeps the audit log of a service: who did what, from where, and whether
// it was permitted. The pattern is known as audit logging.
//
// Each service has its own log, in its own database. What succeeded is recorded in the
// transaction that did it, so that there is no action without its entry and no entry
// without its action:
//
//	s.Audit.Record(ctx, tx, audit.Entry{Action: "refund_payment", Target: p.ID})
//
// What was refused has no transaction; Refuse records it in one of its own. Anyone can
// cause refusals, so their number is bounded: see Refuse.
//
// An entry contains ids and network addresses, but no names, no e-mail addresses and
// nothing that was typed into a form: people type passwords into any field.
//
// The database refuses to change an entry, or to delete one before its retention is
// over (AUDIT_KEEP). That protects against programs with a mistake and against a stolen
// password of the service; the owner of the database can still drop the trigger, so
// copy the log to where that owner has no rights if you need proof against them.
package audit

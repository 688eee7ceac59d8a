// Package sqldb is a small seam over two databases: SQLite (a file, in the process
// itself) and PostgreSQL (native pgx). A service writes its SQL once and runs on
// either; the URL given to Open decides.
//
// # The seam
//
// A [Querier] has four methods: Exec, Query, QueryRow, and Run, which sends a
// [Batch] of statements. A [DB] runs each call on its own; DB.Tx hands a [Tx] to a
// function and commits if the function returns nil. [InsertRows] and [In] write
// many rows in few statements, [All] collects rows into a slice, and [Migrate]
// brings the schema up to date.
//
// SQL is written in the subset that both databases accept:
//
//   - $1..$n for arguments; ids are text made in Go; times are BIGINT
//     microseconds passed from Go; JSON is TEXT; bool is BOOLEAN
//   - ON CONFLICT and RETURNING; an optimistic version column, or
//     Tx.SkipLocked, Tx.ForUpdate and Tx.ForShare where rows must be locked
//   - no now(), no arrays, no dialect functions; lists by InsertRows and In
//
// Where the two databases differ, the seam makes them behave alike, so that a test
// on one of them proves something about the other: after a statement fails its
// transaction can only fail, rows must be closed before the next statement, text
// with null characters or broken UTF-8 is refused, no statement starts after its
// context has ended, and only a Tx may run a query that writes (RETURNING).
//
// # SQLite: one writer with group commit
//
// SQLite allows one writer at a time, and a durable commit waits for a disk flush
// (milliseconds). If each transaction flushed by itself, the disk would set the
// throughput. Therefore concurrent transactions form a group that shares one
// COMMIT, and so one flush. All of them run on one connection, one after the other,
// and there is no writer goroutine: each caller runs its own transaction on its own
// goroutine while it holds the turn, then hands the turn over to the next in the
// queue. A panic therefore surfaces in the caller that caused it.
//
//	first:   BEGIN IMMEDIATE, fn,                turn ->
//	second:  SAVEPOINT, fn, RELEASE,             turn ->
//	last:    SAVEPOINT, fn, RELEASE, COMMIT, answer all, turn -> first of the next group
//
// A group starts with the first transaction and ends when the queue is empty or the
// group is full. While its COMMIT waits for the disk the next callers queue up, so
// groups grow with the load; a single caller pays for no savepoint. Tx returns to
// every caller only after the COMMIT, when its work is durable.
//
// A transaction that fails, by an error or a panic, is rolled back to its savepoint
// and leaves the group; the others commit as if it had never run. If the COMMIT
// itself fails (a full disk, or a deferred foreign key of any one of them), every
// transaction of the group fails, and nothing of it is kept. A caller whose context
// ends in the queue leaves it. Once its transaction runs, the context is checked
// before each statement but interrupts none, because SQLite might then roll back
// the work of the whole group.
//
// The database file and its companions (-wal, -shm) have mode 0600 whatever the umask
// and the mode of the folder are.
//
// Reads outside a transaction use other connections. In WAL mode they neither wait
// for the writer nor block it, and they see only committed work.
//
// # TxRelaxed
//
// A relaxed transaction is atomic and isolated like any other, but its commit does
// not wait for the disk (SQLite: synchronous=NORMAL, PostgreSQL:
// synchronous_commit=off). A power loss, or a crash of the PostgreSQL server, may
// undo it some moments after Tx returned nil; a crash of this program does not.
// Use it only for work that is safe to repeat. A relaxed transaction may join a
// group that flushes; one that must be flushed never joins a relaxed group.
//
// # PostgreSQL: pipelined batches
//
// A Batch, or a statement of a Tx, is sent in one round trip, and so is the BEGIN:
// it travels in front of the first statement. A batch on a DB needs no BEGIN at all
// if it has no callbacks, because the server treats a pipeline as one transaction.
// The isolation level of a Tx is READ COMMITTED.
//
// Several replicas write to one PostgreSQL database. A SELECT that ends with
// Tx.SkipLocked claims rows that no other transaction has locked; one that ends with
// Tx.ForUpdate waits for them, and one with Tx.ForShare keeps others from changing them.
// All are empty on SQLite, whose single writer has every row for itself.
//
// Open sets the settings of its sessions on which the SQL depends, whatever role, database
// and server have (postgres_session.go lists them), and refuses what it cannot set, such
// as a database that is not in UTF-8. A pooler such as PgBouncer is noticed by the process
// id, which it invents: it passes on few settings, so the role must have the others, and
// statements are not prepared, because the next one may reach another session. Nothing
// else relies on the session; the lock of Migrate belongs to a transaction.
//
// A transaction that certainly was not committed, through no fault of its own (a
// serialization failure, a deadlock, a row that another transaction has just
// inserted, a connection lost before the COMMIT), is run
// again, six times at most, after short random waits. Therefore the function given
// to Tx may run more than once and must not call other systems. A connection lost
// during the COMMIT leaves the outcome unknown; that error is returned.
//
// # Errors
//
//   - [ErrNoRows]: QueryRow found nothing; the transaction goes on
//   - fault.Invalid, code bad_text: an argument is text that cannot be stored
//   - fault.Unavailable, codes storage_full, storage_read_only and storage_failed: the
//     disk is full or fails, or the database takes no writes. Reading still works.
//   - fault.Unavailable, code storage_busy: another program has held the lock of the
//     SQLite file for two seconds, or a time limit in the database URL has passed
//   - fault.Unavailable, code data_unavailable: PostgreSQL cannot be reached, is
//     starting, stopping, or out of connections, or has another password by now
//   - [ErrClosed]: the DB was closed
//   - the context's own error, if it ended
//   - anything else names its statement and counts as fault.Internal
package sqldb

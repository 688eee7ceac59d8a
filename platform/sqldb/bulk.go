package sqldb

import (
	"context"
	"math/bits"
	"strconv"
	"strings"
)

// The largest statement that InsertRows and In send.
const (
	maxRows = 256
	maxArgs = 16384 // SQLite accepts 32766, PostgreSQL 65535
)

// InsertRows runs insert + " VALUES (...), (...) " + suffix for all rows, which must
// have the same number of columns. It sends them in chunks of few different sizes, so
// that only few statements are ever prepared. each, if not nil, is called with every row
// that RETURNING returns.
//
//	InsertRows(ctx, tx, "INSERT INTO inbox (event_id, consumer)", rows,
//		"ON CONFLICT DO NOTHING RETURNING event_id", each)
func InsertRows(ctx context.Context, q Querier, insert string, rows [][]any, suffix string, each func(Row) error) error {
	var b Batch
	for len(rows) > 0 {
		columns := len(rows[0])
		n := chunkSize(len(rows), columns)
		args := make([]any, 0, n*columns)
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		b.add(each, nil, insertText(insert, n, columns, suffix), args)
		rows = rows[n:]
	}
	if b.Len() == 0 {
		return nil
	}
	return q.Run(ctx, &b)
}

// insertText returns the statement that inserts that many rows.
func insertText(insert string, rows, columns int, suffix string) string {
	var s strings.Builder
	s.Grow(len(insert) + len(suffix) + rows*(columns*6+4) + 10)
	s.WriteString(insert)
	s.WriteString(" VALUES ")
	for i := range rows {
		if i > 0 {
			s.WriteString(", ")
		}
		placeholders(&s, i*columns+1, columns)
	}
	s.WriteByte(' ')
	s.WriteString(suffix)
	return s.String()
}

// In runs before + " IN ($k, ...) " + after for all values, up to 256 at a time; args are
// $1..$k-1. each, if not nil, is called with every row. In returns the number of rows that
// were returned or affected.
//
//	In(ctx, tx, "DELETE FROM outbox WHERE event_id", nil, ids, "", nil)
func In(ctx context.Context, q Querier, before string, args []any, values []any, after string, each func(Row) error) (int64, error) {
	var total int64
	var b Batch
	b.in(before, args, values, after, counted(each, &total), func(affected int64) error {
		total += affected
		return nil
	})
	if b.Len() == 0 {
		return 0, nil
	}
	return total, q.Run(ctx, &b)
}

// Values returns items as the values of In.
func Values[T any](items []T) []any {
	values := make([]any, len(items))
	for i, item := range items {
		values[i] = item
	}
	return values
}

// QueryIn adds the query before + " IN ($k, ...) " + after for all values, as In runs it.
// each is called with every row it returns.
func (b *Batch) QueryIn(before string, args []any, values []any, after string, each func(Row) error) {
	b.in(before, args, values, after, each, nil)
}

func (b *Batch) in(before string, args []any, values []any, after string, each func(Row) error, done func(int64) error) {
	for len(values) > 0 {
		n := min(len(values), maxRows)
		size := paddedSize(n)
		all := append(append(make([]any, 0, len(args)+size), args...), values[:n]...)
		for len(all) < len(args)+size {
			all = append(all, values[n-1])
		}
		b.add(each, done, inText(before, len(args)+1, size, after), all)
		values = values[n:]
	}
}

// inText returns the statement for n values, the first of which is $first.
func inText(before string, first, n int, after string) string {
	var s strings.Builder
	s.Grow(len(before) + len(after) + n*6 + 8)
	s.WriteString(before)
	s.WriteString(" IN ")
	placeholders(&s, first, n)
	s.WriteByte(' ')
	s.WriteString(after)
	return s.String()
}

// counted returns each with every call counted in n; nil stays nil.
func counted(each func(Row) error, n *int64) func(Row) error {
	if each == nil {
		return nil
	}
	return func(r Row) error {
		*n++
		return each(r)
	}
}

// add adds a query if each is to be called with its rows, else an exec.
func (b *Batch) add(each func(Row) error, done func(int64) error, sql string, args []any) {
	if each != nil {
		b.Query(each, sql, args...)
		return
	}
	b.Exec(done, sql, args...)
}

// placeholders writes "($first, ..., $last)".
func placeholders(s *strings.Builder, first, n int) {
	var digits [20]byte
	s.WriteByte('(')
	for i := first; i < first+n; i++ {
		if i > first {
			s.WriteString(", ")
		}
		s.WriteByte('$')
		s.Write(strconv.AppendInt(digits[:0], int64(i), 10))
	}
	s.WriteByte(')')
}

// chunkSize returns how many of n rows the next statement takes: the largest number of
// 1, 2, 3, 4, 6, 8, 12, 16 ... whose arguments fit into one statement. A statement for one
// row costs four times as much as a row of a larger one, so there should be few chunks.
func chunkSize(n, columns int) int {
	most := min(n, maxRows, max(1, maxArgs/max(1, columns)))
	size := 1 << (bits.Len(uint(most)) - 1)
	if larger := size + size/2; larger <= most {
		return larger
	}
	return size
}

// paddedSize returns how many values the statement for n values has: the next power of
// two. The last value is repeated, which changes nothing in an IN.
func paddedSize(n int) int { return 1 << bits.Len(uint(n-1)) }

// All runs a query and returns its rows, each read by scan.
func All[T any](ctx context.Context, q Querier, scan func(Row) (T, error), sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

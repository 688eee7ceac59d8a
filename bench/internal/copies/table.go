package copies

import (
	"context"
	"fmt"
	"strings"
	"time"

	"troupe/platform/sqldb"
)

// table is a table and how each of its columns is copied.
type table struct {
	name    string
	columns []column
}

type column struct {
	name   string
	kind   string // lower case
	unique bool   // it is part of a primary key or a unique index
}

const asidePrefix = "bench_aside_"

func (t table) aside() string { return asidePrefix + t.name }

// setAside copies the rows of the window into a table of their own.
func (t table) setAside(ctx context.Context, db sqldb.DB, w Window) error {
	var conditions []string
	for _, c := range t.columns {
		if c.kind == "text" {
			conditions = append(conditions, fmt.Sprintf("%s LIKE '%%%s%%'", c.name, w.prefix()))
		}
	}
	if len(conditions) == 0 {
		conditions = []string{"false"}
	}
	_, err := db.Exec(ctx, fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s WHERE %s", t.aside(), t.name, strings.Join(conditions, " OR ")))
	return err
}

// copyText returns the statement that makes a copy of the rows that were set aside. A row
// that is there already, such as that of a customer, stays as it is.
func (t table) copyText(from, to Window, number int64) string {
	var names, values []string
	earlier := int64(from-to) * windowLength.Microseconds()
	for _, c := range t.columns {
		names = append(names, c.name)
		values = append(values, c.value(from, to, earlier, number))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE true ON CONFLICT DO NOTHING",
		t.name, strings.Join(names, ", "), strings.Join(values, ", "), t.aside())
}

// firstTime and lastTime are the numbers of microseconds that are taken for a time.
var (
	firstTime = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	lastTime  = time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// value returns the expression of a column's value in a copy.
func (c column) value(from, to Window, earlier, number int64) string {
	switch {
	case c.kind == "text":
		return fmt.Sprintf("replace(%s, '%s', '%s')", c.name, from.prefix(), to.prefix())
	case c.kind != "bigint":
		return c.name
	}
	other := c.name
	if c.unique { // such as the position in a list
		const span = 10_000_000
		other = fmt.Sprintf("%s + %d", c.name, number*span)
	}
	return fmt.Sprintf("CASE WHEN %s BETWEEN %d AND %d THEN %s - %d ELSE %s END", c.name, firstTime, lastTime, c.name, earlier, other)
}

// readTables returns the tables of a service's database.
func readTables(ctx context.Context, db sqldb.DB) ([]table, error) {
	query := postgresColumns
	if isSQLite(ctx, db) {
		query = sqliteColumns
	}
	var all []table
	rows, err := db.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var c column
		if err := rows.Scan(&name, &c.name, &c.kind, &c.unique); err != nil {
			return nil, err
		}
		if len(all) == 0 || all[len(all)-1].name != name {
			all = append(all, table{name: name})
		}
		last := &all[len(all)-1]
		last.columns = append(last.columns, c)
	}
	return all, rows.Err()
}

func isSQLite(ctx context.Context, db sqldb.DB) bool {
	var version string
	return db.QueryRow(ctx, "SELECT sqlite_version()").Scan(&version) == nil
}

const postgresColumns = `SELECT c.table_name, c.column_name, c.data_type, EXISTS (
		SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
		WHERE i.indisunique AND i.indrelid = to_regclass(quote_ident(c.table_name)) AND a.attname = c.column_name)
	FROM information_schema.columns c JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
	WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.table_name NOT LIKE 'goose%' AND c.is_generated = 'NEVER'
	ORDER BY c.table_name, c.ordinal_position`

const sqliteColumns = `SELECT t.name, c.name, lower(c.type), c.pk > 0 OR EXISTS (
		SELECT 1 FROM pragma_index_list(t.name) i JOIN pragma_index_info(i.name) a ON a.name = c.name WHERE i."unique")
	FROM sqlite_master t JOIN pragma_table_info(t.name) c
	WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'goose%'
	ORDER BY t.name, c.cid`

package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"troupe/platform/sqldb"
)

// Mail is a mail in the built-in mailbox.
type Mail struct {
	DeliveryID string
	UserID     string
	OrderID    string
	From, To   string // as in the headers
	Address    string // the recipient's bare address
	Subject    string
	Text, HTML string
	SentAt     time.Time
}

// AddMails stores mails in the built-in mailbox.
func AddMails(ctx context.Context, tx sqldb.Tx, mails []Mail) error {
	rows := make([][]any, len(mails))
	for i, m := range mails {
		rows[i] = []any{m.DeliveryID, m.UserID, m.OrderID, m.From, m.To, m.Address, m.Subject, m.Text, m.HTML, sqldb.Micros(m.SentAt)}
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO mails (delivery_id, user_id, order_id, sender, recipient, address, subject, text, html, sent_at)",
		rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("add %d mails: %w", len(mails), err)
	}
	return nil
}

const selectMail = "SELECT delivery_id, user_id, order_id, sender, recipient, address, subject, text, html, sent_at FROM mails"

func scanMail(row sqldb.Row) (Mail, error) {
	var m Mail
	var sent int64
	err := row.Scan(&m.DeliveryID, &m.UserID, &m.OrderID, &m.From, &m.To, &m.Address, &m.Subject, &m.Text, &m.HTML, &sent)
	m.SentAt = sqldb.Time(sent)
	return m, err
}

// Search selects mails. An empty field selects all.
type Search struct {
	Words  string // part of address, subject or order id, in any case
	To     string // the exact address
	Before string // the id of a mail: only older ones
}

// Mails returns up to limit mails, newest first.
func Mails(ctx context.Context, q sqldb.Querier, s Search, limit int) ([]Mail, error) {
	pattern := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(s.Words)) + "%"
	list, err := sqldb.All(ctx, q, scanMail, selectMail+`
		WHERE ($1 = '%%' OR LOWER(recipient) LIKE $1 ESCAPE '\' OR LOWER(subject) LIKE $1 ESCAPE '\' OR order_id LIKE $1 ESCAPE '\')
		AND ($2 = '' OR LOWER(address) = $2) AND ($3 = '' OR delivery_id < $3) ORDER BY delivery_id DESC LIMIT $4`,
		pattern, strings.ToLower(s.To), s.Before, limit)
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", err)
	}
	return list, nil
}

// FindMail returns a mail, and false if there is none.
func FindMail(ctx context.Context, q sqldb.Querier, deliveryID string) (Mail, bool, error) {
	m, err := scanMail(q.QueryRow(ctx, selectMail+" WHERE delivery_id = $1", deliveryID))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Mail{}, false, nil
	}
	return m, err == nil, err
}

// DeleteOld deletes up to limit mails and up to limit orders that are older than before,
// and returns how many rows it deleted.
func DeleteOld(ctx context.Context, tx sqldb.Tx, before time.Time, limit int) (int, error) {
	var deleted int64
	count := func(n int64) error { deleted += n; return nil }
	b := &sqldb.Batch{}
	b.Exec(count, "DELETE FROM mails WHERE delivery_id IN (SELECT delivery_id FROM mails WHERE sent_at < $1 ORDER BY sent_at LIMIT $2)",
		sqldb.Micros(before), limit)
	b.Exec(count, "DELETE FROM orders WHERE order_id IN (SELECT order_id FROM orders WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
		sqldb.Micros(before), limit)
	if err := tx.Run(ctx, b); err != nil {
		return 0, fmt.Errorf("delete old mails: %w", err)
	}
	return int(deleted), nil
}

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"troupe/platform/ascii"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/content"
)

// Mail is a mail in the built-in mailbox.
type Mail struct {
	DeliveryID string
	UserID     string
	OrderID    string
	From, To   string // as in the headers
	Address    string // the recipient's bare address
	Subject    string
	Text, HTML string // of a mail of an earlier version; otherwise rendered from Source
	Source     content.Source
	SentAt     time.Time
}

// AddMails stores mails in the built-in mailbox. What another column has is not stored again.
func AddMails(ctx context.Context, tx sqldb.Tx, mails []Mail) error {
	rows := make([][]any, len(mails))
	for i, m := range mails {
		if m.To == bare(m.Address) {
			m.To = ""
		}
		if m.Source.OrderID == m.OrderID {
			m.Source.OrderID = ""
		}
		source, err := json.Marshal(m.Source)
		if err != nil {
			return fmt.Errorf("encode mail %s: %w", m.DeliveryID, err)
		}
		rows[i] = []any{m.DeliveryID, m.UserID, m.OrderID, m.From, m.To, m.Address, m.Subject, m.Text, m.HTML, string(source), sqldb.Micros(m.SentAt)}
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO mails (delivery_id, user_id, order_id, sender, recipient, address, subject, text, html, source, sent_at)",
		rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("add %d mails: %w", len(mails), err)
	}
	return nil
}

// bare returns the To header of a mail to an address without a name.
func bare(address string) string { return (&mail.Address{Address: address}).String() }

const selectMail = "SELECT delivery_id, user_id, order_id, sender, recipient, address, subject, text, html, source, sent_at FROM mails"

func scanMail(row sqldb.Row) (Mail, error) {
	var m Mail
	var sent int64
	var source string
	err := row.Scan(&m.DeliveryID, &m.UserID, &m.OrderID, &m.From, &m.To, &m.Address, &m.Subject, &m.Text, &m.HTML, &source, &sent)
	m.SentAt = sqldb.Time(sent)
	if err == nil && source != "" {
		err = json.Unmarshal([]byte(source), &m.Source)
	}
	m.To = cmp.Or(m.To, bare(m.Address))
	m.Source.OrderID = cmp.Or(m.Source.OrderID, m.OrderID)
	return m, err
}

// Search selects mails. An empty field selects all.
type Search struct {
	Words  string // part of address, subject or order id, in any case
	To     string // the exact address
	Before string // the id of a mail: only older ones
}

// Mails returns up to limit mails, newest first.
//
// LOWER folds all letters in one database and those of ASCII in another, so the words are
// compared folded both ways. Where it folds ASCII alone, other letters are found in the
// case in which they are typed.
func Mails(ctx context.Context, q sqldb.Querier, s Search, limit int) ([]Mail, error) {
	list, err := sqldb.All(ctx, q, scanMail, selectMail+`
		WHERE ($1 = '%%' OR order_id LIKE $1 ESCAPE '\' OR LOWER(recipient) LIKE $1 ESCAPE '\' OR LOWER(recipient) LIKE $2 ESCAPE '\'
			OR LOWER(address) LIKE $1 ESCAPE '\' OR LOWER(address) LIKE $2 ESCAPE '\'
			OR LOWER(subject) LIKE $1 ESCAPE '\' OR LOWER(subject) LIKE $2 ESCAPE '\')
		AND ($3 = '' OR LOWER(address) = $3) AND ($4 = '' OR delivery_id < $4) ORDER BY delivery_id DESC LIMIT $5`,
		patternOf(strings.ToLower(s.Words)), patternOf(ascii.Lower(s.Words)), ascii.Lower(s.To), s.Before, limit)
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", err)
	}
	return list, nil
}

var escapeWildcards = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

// patternOf returns the pattern of LIKE for text that contains the words.
func patternOf(words string) string { return "%" + escapeWildcards.Replace(words) + "%" }

// FindMail returns a mail, and false if there is none.
func FindMail(ctx context.Context, q sqldb.Querier, deliveryID string) (Mail, bool, error) {
	m, err := scanMail(q.QueryRow(ctx, selectMail+" WHERE delivery_id = $1", deliveryID))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Mail{}, false, nil
	}
	return m, err == nil, err
}

// DeleteOld deletes up to limit mails and up to limit orders that are older than before,
// and returns how many rows it deleted. It finds them by their ids, which begin with the time.
func DeleteOld(ctx context.Context, tx sqldb.Tx, before time.Time, limit int) (int, error) {
	var deleted int64
	count := func(n int64) error { deleted += n; return nil }
	b := &sqldb.Batch{}
	b.Exec(count, "DELETE FROM mails WHERE delivery_id IN (SELECT delivery_id FROM mails WHERE delivery_id < $1 AND sent_at < $2 ORDER BY delivery_id LIMIT $3)",
		timestamp.FirstID(before), sqldb.Micros(before), limit)
	b.Exec(count, "DELETE FROM orders WHERE order_id IN (SELECT order_id FROM orders WHERE order_id < $1 AND created_at < $2 ORDER BY order_id LIMIT $3)",
		timestamp.FirstID(before), sqldb.Micros(before), limit)
	if err := tx.Run(ctx, b); err != nil {
		return 0, fmt.Errorf("delete old mails: %w", err)
	}
	return int(deleted), nil
}

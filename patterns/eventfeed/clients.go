package eventfeed

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

const (
	mostClients = 100
	keyPrefix   = "troupe_"
	// Every allows all types that the service publishes.
	Every = "*"
)

// Client is a program outside.
type Client struct {
	ID        string
	Name      string
	Reads     []string // types of events, or Every
	Publishes []string // likewise
	CreatedAt time.Time
}

// MayRead reports whether the client may read events of a type.
func (c Client) MayRead(eventType string) bool { return allows(c.Reads, eventType) }

// MayPublish reports whether the client may publish events of a type.
func (c Client) MayPublish(eventType string) bool { return allows(c.Publishes, eventType) }

func allows(types []string, eventType string) bool {
	return slices.Contains(types, Every) || slices.Contains(types, eventType)
}

var (
	errKeyMissing = fault.New(fault.Unauthenticated, "api_key_missing", "the header X-API-Key is missing; an admin creates keys with POST /events/SERVICE/clients")
	errKeyUnknown = fault.New(fault.Unauthenticated, "api_key_unknown", "the key in X-API-Key does not exist, or was revoked; ask an admin for another")
	errNameTaken  = fault.New(fault.Conflict, "client_exists", "a client of this name exists already; choose another, or delete that one first")
	errMostExist  = fault.New(fault.Conflict, "too_many_clients", "there are already %d clients, which is the most; delete one", mostClients)
)

// Create stores a client and returns it with its key, which is not stored.
func (f *Feed) Create(ctx context.Context, tx sqldb.Tx, c Client) (Client, string, error) {
	for _, eventType := range slices.Concat(c.Reads, c.Publishes) {
		if eventType != Every && !slices.Contains(f.config.Types, eventType) {
			return c, "", fault.New(fault.Invalid, "event_type_unknown", "%s does not publish %q; give some of %s, or %q for all",
				f.config.Service, eventType, strings.Join(f.config.Types, ", "), Every)
		}
	}
	var n int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM event_clients").Scan(&n); err != nil {
		return c, "", err
	}
	if n >= mostClients {
		return c, "", errMostExist
	}
	key := newKey()
	c.ID, c.CreatedAt = f.config.NewID(), f.config.Now()
	inserted, err := tx.Exec(ctx, `INSERT INTO event_clients (id, name, key_hash, reads, publishes, created_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		c.ID, c.Name, hashOf(key), strings.Join(c.Reads, " "), strings.Join(c.Publishes, " "), sqldb.Micros(c.CreatedAt))
	if err != nil {
		return c, "", fmt.Errorf("create client %s: %w", c.Name, err)
	}
	if inserted == 0 {
		return c, "", errNameTaken
	}
	return c, key, nil
}

// Clients returns all clients, by name.
func (f *Feed) Clients(ctx context.Context) ([]Client, error) {
	return sqldb.All(ctx, f.config.DB, scanClient, "SELECT id, name, reads, publishes, created_at FROM event_clients ORDER BY name")
}

func newKey() string { return keyPrefix + rand.Text() }

// Rotate gives a client another key, which it returns. The one before is no longer valid.
func (f *Feed) Rotate(ctx context.Context, tx sqldb.Tx, id string) (Client, string, error) {
	key := newKey()
	c, err := scanClient(tx.QueryRow(ctx,
		"UPDATE event_clients SET key_hash = $1 WHERE id = $2 RETURNING id, name, reads, publishes, created_at", hashOf(key), id))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Client{}, "", f.missing(id)
	}
	return c, key, err
}

// Delete revokes the key of a client.
func (f *Feed) Delete(ctx context.Context, tx sqldb.Tx, id string) error {
	n, err := tx.Exec(ctx, "DELETE FROM event_clients WHERE id = $1", id)
	if err == nil && n == 0 {
		return f.missing(id)
	}
	return err
}

func (f *Feed) missing(id string) error {
	return fault.Missing("client", id, "GET /events/"+f.config.Service+"/clients lists all")
}

// Authenticate returns the client with a key.
func (f *Feed) Authenticate(ctx context.Context, key string) (Client, error) {
	if key == "" {
		return Client{}, errKeyMissing
	}
	c, err := scanClient(f.config.DB.QueryRow(ctx,
		"SELECT id, name, reads, publishes, created_at FROM event_clients WHERE key_hash = $1", hashOf(key)))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Client{}, errKeyUnknown
	}
	return c, err
}

func scanClient(r sqldb.Row) (c Client, err error) {
	var reads, publishes string
	var created int64
	err = r.Scan(&c.ID, &c.Name, &reads, &publishes, &created)
	c.Reads, c.Publishes, c.CreatedAt = strings.Fields(reads), strings.Fields(publishes), sqldb.Time(created)
	return c, err
}

// hashOf returns what is stored of a key. A key is random, so that a plain hash suffices.
func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

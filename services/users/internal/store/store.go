// Package store is the users service's tables: accounts, sessions, failed
// attempts to sign in, and the keys that all replicas share.
package store

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"fmt"
	"time"

	"troupe/platform/auth"
	"troupe/platform/sqldb"
)

// Migrations make the tables; versions from 1001.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// SigningKeys gives the keys that sign access tokens, newest first. The first
// replica to ask makes the first key; whoever comes second reads it.
func SigningKeys(ctx context.Context, db sqldb.DB, now time.Time) ([]auth.PrivateKey, error) {
	keys, err := readSigningKeys(ctx, db)
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	key, err := auth.NewPrivateKey()
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(ctx, `INSERT INTO signing_keys (generation, key_id, pem, created_at) VALUES (1, $1, $2, $3)
		ON CONFLICT (generation) DO NOTHING`, key.KeyID, string(key.PEM), sqldb.Micros(now))
	if err != nil {
		return nil, fmt.Errorf("save signing key: %w", err)
	}
	return readSigningKeys(ctx, db)
}

func readSigningKeys(ctx context.Context, db sqldb.DB) ([]auth.PrivateKey, error) {
	keys, err := sqldb.All(ctx, db, func(row sqldb.Row) (auth.PrivateKey, error) {
		var id, pem string
		err := row.Scan(&id, &pem)
		return auth.PrivateKey{KeyID: id, PEM: []byte(pem)}, err
	}, `SELECT key_id, pem FROM signing_keys ORDER BY generation DESC`)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return keys, nil
}

// Secret gives the 32 random bytes of that name, made by whoever asks first.
func Secret(ctx context.Context, db sqldb.DB, name string, now time.Time) ([]byte, error) {
	made := make([]byte, 32)
	_, _ = rand.Read(made) // never fails
	_, err := db.Exec(ctx, `INSERT INTO secrets (name, value, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO NOTHING`, name, base64.StdEncoding.EncodeToString(made), sqldb.Micros(now))
	if err != nil {
		return nil, fmt.Errorf("save secret %s: %w", name, err)
	}
	var value string
	if err := db.QueryRow(ctx, `SELECT value FROM secrets WHERE name = $1`, name).Scan(&value); err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}
	secret, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(secret) < len(made) {
		return nil, fmt.Errorf("the stored secret %s is damaged; delete its row in the table secrets to have a new one made", name)
	}
	return secret, nil
}

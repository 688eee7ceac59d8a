// Package store stores accounts, sessions, failed attempts to sign in, and the keys
// that all replicas share.
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

// Migrations create the tables; their versions start at 1001.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// SigningKeys returns the keys that sign access tokens, newest first. The first replica
// to call it creates the first key; the others read it.
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

// Secret returns the 32 random bytes with this name. The first replica to call it
// creates them.
func Secret(ctx context.Context, db sqldb.DB, name string, now time.Time) ([]byte, error) {
	created := make([]byte, 32)
	_, _ = rand.Read(created) // never fails
	_, err := db.Exec(ctx, `INSERT INTO secrets (name, value, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO NOTHING`, name, base64.StdEncoding.EncodeToString(created), sqldb.Micros(now))
	if err != nil {
		return nil, fmt.Errorf("save secret %s: %w", name, err)
	}
	var value string
	if err := db.QueryRow(ctx, `SELECT value FROM secrets WHERE name = $1`, name).Scan(&value); err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}
	secret, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(secret) < len(created) {
		return nil, fmt.Errorf("the stored secret %s is damaged; delete its row in the table secrets, and a new one is created", name)
	}
	return secret, nil
}

-- +goose Up
-- Sessions whose access tokens are refused before they expire. A row is of no
-- use after until_at, when the last of those tokens has expired by itself.
CREATE TABLE revoked_sessions (
    session_id TEXT PRIMARY KEY,
    until_at   BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX revoked_sessions_revoked_at ON revoked_sessions (revoked_at);

-- The last good key set of each address, for a start while users is down.
CREATE TABLE jwks_cache (
    url        TEXT PRIMARY KEY,
    body       TEXT NOT NULL,
    fetched_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE jwks_cache;
DROP TABLE revoked_sessions;

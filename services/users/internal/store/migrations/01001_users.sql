-- +goose Up
CREATE TABLE accounts (
    id            TEXT PRIMARY KEY,
    email         TEXT UNIQUE, -- lower case; null once the account is deleted
    name          TEXT NOT NULL,
    locale        TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    version       BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    deleted_at    BIGINT
);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    counter    BIGINT NOT NULL, -- of the refresh token that is valid now
    created_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_rotated ON sessions (rotated_at);

-- Failed attempts to sign in, by digest of the e-mail address or by network address.
CREATE TABLE sign_in_attempts (
    key           TEXT PRIMARY KEY,
    failures      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);
CREATE INDEX sign_in_attempts_last ON sign_in_attempts (last_at);

-- The newest generation signs tokens; older ones are published until their tokens have expired.
CREATE TABLE signing_keys (
    generation BIGINT PRIMARY KEY,
    key_id     TEXT NOT NULL,
    pem        TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE secrets (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL, -- base64
    created_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE secrets;
DROP TABLE signing_keys;
DROP TABLE sign_in_attempts;
DROP TABLE sessions;
DROP TABLE accounts;

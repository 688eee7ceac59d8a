-- +goose Up
-- Addresses to which no mail is sent. The hash stays when an account is erased: a dead
-- address remains dead for the next account that has it.
CREATE TABLE suppressions (
    id         TEXT PRIMARY KEY,     -- UUIDv7
    hash       TEXT NOT NULL UNIQUE, -- of the address in lower case
    address    TEXT NOT NULL,        -- empty once it was erased
    reason     TEXT NOT NULL,        -- bounce, complaint or manual
    detail     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Secrets that all replicas share: the DKIM keys, and the key of the links in mails.
CREATE TABLE mail_secrets (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE mail_secrets;
DROP TABLE suppressions;

-- +goose Up
CREATE TABLE idempotency_keys (
    caller          TEXT NOT NULL,
    operation       TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint     TEXT NOT NULL, -- of the request's body
    answer          TEXT NOT NULL, -- JSON
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (caller, operation, idempotency_key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- +goose Down
DROP TABLE idempotency_keys;

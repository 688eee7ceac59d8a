-- +goose Up
CREATE TABLE queue (
    event_id TEXT PRIMARY KEY,          -- UUIDv7: sorts by time
    type     TEXT NOT NULL,
    body     BYTEA NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0 -- deliveries without an acknowledgement, see the package local
);

-- +goose Down
DROP TABLE queue;

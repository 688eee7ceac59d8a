-- +goose Up
CREATE TABLE queue (
    event_id TEXT PRIMARY KEY,          -- UUIDv7: sorts by time
    type     TEXT NOT NULL,
    body     BYTEA NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0 -- how often it was handed out, see Bus.Step
);

-- +goose Down
DROP TABLE queue;

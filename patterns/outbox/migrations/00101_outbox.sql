-- +goose Up
CREATE TABLE outbox (
    event_id   TEXT PRIMARY KEY, -- UUIDv7: sorts by time
    type       TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

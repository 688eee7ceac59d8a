-- +goose Up
CREATE TABLE outbox (
    event_id   TEXT PRIMARY KEY,           -- UUIDv7: sorts by time
    type       TEXT NOT NULL,
    body       TEXT NOT NULL,              -- the encoded event
    created_at BIGINT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0, -- how often the bus rejected it
    retry_at   BIGINT NOT NULL DEFAULT 0,  -- not before this
    last_error TEXT NOT NULL DEFAULT ''
);

-- +goose Down
DROP TABLE outbox;

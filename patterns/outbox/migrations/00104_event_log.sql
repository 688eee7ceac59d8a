-- What has been published, for consumers outside; empty unless EVENTS_PUBLIC is set.

-- +goose Up
CREATE TABLE event_log (
    position  BIGINT PRIMARY KEY, -- given under the lock of event_log_end, so that they become visible in order
    type      TEXT NOT NULL,
    body      TEXT NOT NULL,      -- the encoded event
    logged_at BIGINT NOT NULL
);

CREATE TABLE event_log_end (
    id            INTEGER PRIMARY KEY,
    last_position BIGINT NOT NULL, -- of the latest event
    kept_after    BIGINT NOT NULL  -- events up to this position are no longer kept
);
INSERT INTO event_log_end (id, last_position, kept_after) VALUES (1, 0, 0);

CREATE TABLE event_clients (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE, -- the source of its events
    key_hash   TEXT NOT NULL UNIQUE,
    reads      TEXT NOT NULL,        -- types, separated by spaces
    publishes  TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE events_received (
    source      TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    fingerprint TEXT NOT NULL, -- of type and data
    published   TEXT NOT NULL, -- the id under which it was published
    received_at BIGINT NOT NULL,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX events_received_at ON events_received (received_at);

-- +goose Down
DROP TABLE events_received;
DROP TABLE event_clients;
DROP TABLE event_log_end;
DROP TABLE event_log;

-- +goose Up
-- What the journal has told, in the order in which it arrived.
CREATE TABLE entries (
    seq      BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    service  TEXT NOT NULL,
    type     TEXT NOT NULL,
    event_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    body     TEXT NOT NULL -- the record as JSON
);
CREATE INDEX entries_of_order ON entries (order_id, seq) WHERE order_id <> '';
CREATE INDEX entries_by_age ON entries (at);

-- The number of the last entry. A transaction locks its row before it adds entries, so that
-- they become visible in the order of their numbers: live streams continue after a number.
CREATE TABLE last_entry (
    id   BIGINT PRIMARY KEY,
    seq  BIGINT NOT NULL
);
INSERT INTO last_entry (id, seq) VALUES (1, 0);

-- The list of orders: what the entries of each mean.
CREATE TABLE orders (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    status     TEXT NOT NULL,
    cause      TEXT NOT NULL,
    verdict    TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    attempts   BIGINT NOT NULL,
    failures   BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX orders_by_start ON orders (started_at, id);

-- +goose Down
DROP TABLE orders;
DROP TABLE last_entry;
DROP TABLE entries;

-- +goose Up
-- What we need to know of users: a projection of user.*. A deleted one stays as
-- an empty row, so that nothing that comes late brings it back.
CREATE TABLE recipients (
    user_id TEXT PRIMARY KEY,
    email   TEXT NOT NULL,
    name    TEXT NOT NULL,
    locale  TEXT NOT NULL,
    version BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL
);

-- What was ordered, for later mails about the order: a projection of order.created.
CREATE TABLE orders (
    order_id   TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    lines      TEXT NOT NULL, -- JSON
    amount     BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX orders_user ON orders (user_id);
CREATE INDEX orders_created ON orders (created_at);

-- Everybody's inbox. An event tells one customer one thing, so its id is the key.
CREATE TABLE notices (
    event_id   TEXT PRIMARY KEY, -- UUIDv7: sorts by time
    user_id    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    order_id   TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    read_at    BIGINT
);
CREATE INDEX notices_user ON notices (user_id, event_id);

-- One message to one customer over one channel; see package delivery for its states.
CREATE TABLE deliveries (
    id          TEXT PRIMARY KEY,
    event_id    TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    kind        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    amount      BIGINT NOT NULL,
    currency    TEXT NOT NULL,
    reason      TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    lease       TEXT NOT NULL DEFAULT '', -- who is sending it
    phase       TEXT NOT NULL DEFAULT '', -- dot: the final dot is being sent, or was
    reply       TEXT NOT NULL DEFAULT '', -- how the last attempt ended
    next_at     BIGINT,                   -- due, or end of the lease; null once nothing more happens
    expires_at  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, kind, channel, user_id);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_user ON deliveries (user_id);
CREATE INDEX deliveries_order ON deliveries (order_id);

-- Each try to hand a mail to the SMTP server that ended, and how.
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL,
    n           INTEGER NOT NULL,
    phase       TEXT NOT NULL,
    state       TEXT NOT NULL,
    reply       TEXT NOT NULL,
    ended_at    BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, n)
);

-- The built-in mailbox, where mails go as long as no SMTP server is set.
CREATE TABLE mails (
    delivery_id TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    sender      TEXT NOT NULL, -- the From header
    recipient   TEXT NOT NULL, -- the To header
    address     TEXT NOT NULL, -- the bare address in it
    subject     TEXT NOT NULL,
    text        TEXT NOT NULL,
    html        TEXT NOT NULL,
    sent_at     BIGINT NOT NULL
);
CREATE INDEX mails_user ON mails (user_id);
CREATE INDEX mails_sent ON mails (sent_at);

-- +goose Down
DROP TABLE mails;
DROP TABLE attempts;
DROP TABLE deliveries;
DROP TABLE notices;
DROP TABLE orders;
DROP TABLE recipients;

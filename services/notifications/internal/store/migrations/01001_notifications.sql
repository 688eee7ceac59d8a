-- +goose Up
-- What notifications needs of users: a projection of user.*. A deleted user remains
-- as an empty row, so that no late event restores it.
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

-- The inboxes. An event leads to at most one entry for one customer, so its id is the key.
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
    lease       TEXT NOT NULL DEFAULT '', -- the id of the sender's lease
    phase       TEXT NOT NULL DEFAULT '', -- dot: the final dot is being sent, or was sent
    reply       TEXT NOT NULL DEFAULT '', -- how the last attempt ended
    next_at     BIGINT,                   -- due, or end of the lease; null once the delivery has ended
    expires_at  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, kind, channel, user_id);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_user ON deliveries (user_id);
CREATE INDEX deliveries_order ON deliveries (order_id);

-- How each attempt to submit a mail to the SMTP server ended.
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL,
    n           INTEGER NOT NULL,
    phase       TEXT NOT NULL,
    state       TEXT NOT NULL,
    reply       TEXT NOT NULL,
    ended_at    BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, n)
);

-- The built-in mailbox, where mails are stored while no SMTP server is set.
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

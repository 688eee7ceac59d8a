-- +goose Up
-- What is on offer, as inventory last said it.
CREATE TABLE products (
    sku      TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    amount   BIGINT NOT NULL,
    currency TEXT NOT NULL,
    active   BOOLEAN NOT NULL,
    version  BIGINT NOT NULL
);

-- What could be ordered of it. A hint: only inventory's hold decides.
CREATE TABLE stock_levels (
    sku       TEXT PRIMARY KEY,
    available BIGINT NOT NULL,
    version   BIGINT NOT NULL
);

CREATE TABLE orders (
    id             TEXT PRIMARY KEY, -- UUIDv7: by id is by age
    user_id        TEXT NOT NULL,
    lines          TEXT NOT NULL,    -- JSON
    amount         BIGINT NOT NULL,
    currency       TEXT NOT NULL,
    payment_method TEXT NOT NULL,
    ship_to        TEXT NOT NULL,    -- JSON; empty: none, or forgotten
    status         TEXT NOT NULL,
    stock          TEXT NOT NULL,    -- the facts: see package order
    payment        TEXT NOT NULL,
    cancel         TEXT NOT NULL,
    paid           BOOLEAN NOT NULL,
    reason         TEXT NOT NULL,
    forget         BOOLEAN NOT NULL,
    deadline_at    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL
);
CREATE INDEX orders_by_user ON orders (user_id, id);
CREATE INDEX orders_by_status ON orders (status, id);
CREATE INDEX orders_undecided ON orders (deadline_at) WHERE status = 'pending';

-- Everything that happened to an order: what was asked, heard and said. What was
-- heard is pending until the decider has drawn its conclusions from it.
CREATE TABLE order_timeline (
    order_id    TEXT NOT NULL,
    id          TEXT NOT NULL, -- the event's
    at          BIGINT NOT NULL,
    what        TEXT NOT NULL,
    who         TEXT NOT NULL,
    detail      TEXT NOT NULL,
    cause       TEXT NOT NULL, -- the event that led to this
    traceparent TEXT NOT NULL,
    pending     BOOLEAN NOT NULL,
    PRIMARY KEY (order_id, id)
);
CREATE INDEX order_timeline_pending ON order_timeline (order_id) WHERE pending;

-- +goose Down
DROP TABLE order_timeline;
DROP TABLE orders;
DROP TABLE stock_levels;
DROP TABLE products;

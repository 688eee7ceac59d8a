-- +goose Up
-- A copy of inventory's products.
CREATE TABLE products (
    sku      TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    amount   BIGINT NOT NULL,
    currency TEXT NOT NULL,
    active   BOOLEAN NOT NULL,
    version  BIGINT NOT NULL
);

-- A copy of inventory's stock levels. Only a hint: inventory decides.
CREATE TABLE stock_levels (
    sku       TEXT PRIMARY KEY,
    available BIGINT NOT NULL,
    version   BIGINT NOT NULL
);

CREATE TABLE orders (
    id             TEXT PRIMARY KEY, -- UUIDv7: sorted by id is sorted by age
    user_id        TEXT NOT NULL,
    lines          TEXT NOT NULL,    -- JSON
    amount         BIGINT NOT NULL,
    currency       TEXT NOT NULL,
    payment_method TEXT NOT NULL,
    ship_to        TEXT NOT NULL,    -- JSON; empty: none was given, or it was erased
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

-- Everything that happened to an order: the events that the service published and
-- those that it consumed. A consumed event is pending until the decider has applied it.
CREATE TABLE order_timeline (
    order_id    TEXT NOT NULL,
    id          TEXT NOT NULL, -- of the event
    at          BIGINT NOT NULL,
    what        TEXT NOT NULL, -- the event type
    who         TEXT NOT NULL, -- the service, customer or admin
    detail      TEXT NOT NULL, -- a sentence for people
    cause       TEXT NOT NULL, -- the id of the event that caused this one
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

-- +goose Up
-- Where events are sent to other systems of the shop.
CREATE TABLE webhooks (
    id              TEXT PRIMARY KEY,
    url             TEXT NOT NULL,
    events          TEXT NOT NULL, -- JSON: the types
    description     TEXT NOT NULL,
    secret          TEXT NOT NULL,
    previous_secret TEXT NOT NULL, -- signs too until previous_until
    previous_until  BIGINT NOT NULL,
    enabled         BOOLEAN NOT NULL,
    reason          TEXT NOT NULL, -- why it is disabled
    failing_since   BIGINT,        -- null: the last attempt succeeded
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

-- One event on its way to one webhook.
CREATE TABLE webhook_deliveries (
    id         TEXT PRIMARY KEY,
    webhook_id TEXT NOT NULL,
    event_id   TEXT NOT NULL,
    event_type TEXT NOT NULL,
    order_id   TEXT NOT NULL,           -- events about one order are sent in their order
    user_id    TEXT NOT NULL,           -- whom the body names
    body       TEXT NOT NULL,           -- the event; empty once it was erased
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    lease      TEXT NOT NULL DEFAULT '',
    status     INTEGER NOT NULL DEFAULT 0, -- of the last response
    reply      TEXT NOT NULL DEFAULT '',
    next_at    BIGINT,                  -- due, or end of the lease; null once the delivery has ended
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (webhook_id, event_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, order_id, event_id) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_user ON webhook_deliveries (user_id) WHERE user_id <> '';
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_at);

CREATE TABLE webhook_attempts (
    delivery_id TEXT NOT NULL,
    n           INTEGER NOT NULL,
    state       TEXT NOT NULL,
    status      INTEGER NOT NULL,
    reply       TEXT NOT NULL,
    took        BIGINT NOT NULL, -- microseconds
    ended_at    BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, n)
);

-- +goose Down
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;

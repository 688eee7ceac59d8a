-- +goose Up
-- A payment is loaded, changed and stored as a whole. Its operations are a part of it,
-- and no query reads them by themselves.
CREATE TABLE payments (
    id         TEXT PRIMARY KEY,
    order_id   TEXT NOT NULL UNIQUE, -- one payment per order, even if an event arrives twice
    user_id    TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    method     TEXT NOT NULL,
    goal       BIGINT NOT NULL,
    state      TEXT NOT NULL,
    code       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    operations TEXT NOT NULL, -- JSON
    due_at     BIGINT,        -- when the provider is to be called for the open operation; null if none is open
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payments_user ON payments (user_id, id);

-- +goose Down
DROP TABLE payments;

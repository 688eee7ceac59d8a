-- +goose Up
-- A payment is loaded, changed and stored whole; its operations are a part of it
-- that nothing looks into by itself.
CREATE TABLE payments (
    id         TEXT PRIMARY KEY,
    order_id   TEXT NOT NULL UNIQUE, -- one payment per order, whatever comes twice
    user_id    TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    method     TEXT NOT NULL,
    goal       BIGINT NOT NULL,
    state      TEXT NOT NULL,
    code       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    operations TEXT NOT NULL, -- JSON
    due_at     BIGINT,        -- when the open operation is to be called; null if none is open
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payments_user ON payments (user_id, id);

-- +goose Down
DROP TABLE payments;

-- +goose Up
-- Leases of operations that a transaction has claimed together. The due_at of their
-- payments is null.
CREATE TABLE payment_leases (
    id        TEXT PRIMARY KEY, -- UUIDv7
    order_ids TEXT NOT NULL,    -- JSON
    ends_at   BIGINT NOT NULL   -- when any replica may claim the operations without an outcome
);

-- +goose Down
UPDATE payments SET due_at = created_at WHERE due_at IS NULL AND operations LIKE '%"lease":"%';
DROP TABLE payment_leases;

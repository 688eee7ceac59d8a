-- +goose Up
-- Deliveries that a replica leased when it queued them. They have no next_at, so that
-- their outcome changes no index. When the lease of a replica ends, they are due.
CREATE TABLE delivery_leases (
    id         TEXT PRIMARY KEY, -- UUIDv7
    lease      TEXT NOT NULL,    -- as in deliveries
    deliveries TEXT NOT NULL,    -- JSON: their ids
    ends_at    BIGINT NOT NULL
);

-- +goose Down
UPDATE deliveries SET next_at = created_at WHERE state = 'sending' AND next_at IS NULL;
DROP TABLE delivery_leases;

-- +goose Up
-- The books of the built-in provider, which stands for the outside world: only
-- package provider touches them. The ledger is only ever added to; the step
-- within a charge is its primary key, so of two that want to be the next, one is.
CREATE TABLE provider_ledger (
    charge   TEXT NOT NULL,
    step     BIGINT NOT NULL,
    key      TEXT NOT NULL, -- of idempotency
    kind     TEXT NOT NULL,
    denied   TEXT NOT NULL, -- why; empty if granted
    method   TEXT NOT NULL,
    currency TEXT NOT NULL,
    held     BIGINT NOT NULL, -- what this entry adds to the money set aside
    paid     BIGINT NOT NULL, -- and to the money paid
    at       BIGINT NOT NULL,
    PRIMARY KEY (charge, step)
);

-- Calls that got lost, for the method that loses some.
CREATE TABLE provider_drops (
    key   TEXT PRIMARY KEY,
    times BIGINT NOT NULL
);

-- +goose Down
DROP TABLE provider_drops;
DROP TABLE provider_ledger;

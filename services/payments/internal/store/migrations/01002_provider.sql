-- +goose Up
-- The ledger of the built-in provider, which stands for the outside world: only
-- package provider uses these tables. Entries are only added. The step within a charge
-- is part of the primary key, so of two concurrent calls only one adds the next entry.
CREATE TABLE provider_ledger (
    charge   TEXT NOT NULL,
    step     BIGINT NOT NULL,
    key      TEXT NOT NULL, -- idempotency key
    kind     TEXT NOT NULL,
    denied   TEXT NOT NULL, -- why it was rejected; empty if it was approved
    method   TEXT NOT NULL,
    currency TEXT NOT NULL,
    held     BIGINT NOT NULL, -- what this entry adds to the authorized money
    paid     BIGINT NOT NULL, -- what it adds to the paid money
    at       BIGINT NOT NULL,
    PRIMARY KEY (charge, step)
);

-- Lost calls, for the payment method that loses some.
CREATE TABLE provider_drops (
    key   TEXT PRIMARY KEY,
    times BIGINT NOT NULL
);

-- +goose Down
DROP TABLE provider_drops;
DROP TABLE provider_ledger;

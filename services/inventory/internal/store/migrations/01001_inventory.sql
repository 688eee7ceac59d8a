-- +goose Up
CREATE TABLE products (
    sku         TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    price       BIGINT NOT NULL CHECK (price > 0), -- minor units
    currency    TEXT NOT NULL,
    active      BOOLEAN NOT NULL,
    version     BIGINT NOT NULL
);

-- One row per product. The checks repeat what the code ensures: the database refuses
-- to store an oversold product.
CREATE TABLE stock (
    sku       TEXT PRIMARY KEY REFERENCES products (sku),
    stocked   BIGINT NOT NULL,
    available BIGINT NOT NULL CHECK (available >= 0),
    held      BIGINT NOT NULL CHECK (held >= 0),
    committed BIGINT NOT NULL CHECK (committed >= 0),
    version   BIGINT NOT NULL,
    CHECK (available + held + committed = stocked)
);

-- Every change of stocked, kept forever: their sum is stocked.
CREATE TABLE stock_movements (
    id     TEXT PRIMARY KEY,
    sku    TEXT NOT NULL REFERENCES products (sku),
    delta  BIGINT NOT NULL,
    reason TEXT NOT NULL,
    by_id  TEXT NOT NULL, -- the admin, or empty
    at     BIGINT NOT NULL
);

-- The row that a transaction locks before it changes stock; see store.LockStock.
CREATE TABLE stock_turn (
    taken BIGINT NOT NULL
);
INSERT INTO stock_turn (taken) VALUES (0);

CREATE TABLE reservations (
    order_id   TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    lines      TEXT NOT NULL, -- JSON
    expires_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX reservations_held ON reservations (expires_at) WHERE state = 'held';

-- +goose Down
DROP TABLE reservations;
DROP TABLE stock_turn;
DROP TABLE stock_movements;
DROP TABLE stock;
DROP TABLE products;

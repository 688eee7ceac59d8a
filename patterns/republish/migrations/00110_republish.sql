-- +goose Up
-- What a service publishes again, and how far it has come.
CREATE TABLE republications (
    projection  TEXT NOT NULL,
    consumer    TEXT NOT NULL, -- empty: every consumer
    position    TEXT NOT NULL, -- the key of the last row that was published
    published   BIGINT NOT NULL, -- events
    started_at  BIGINT NOT NULL,
    finished_at BIGINT, -- null: it goes on
    again       BOOLEAN NOT NULL, -- requested once more meanwhile
    PRIMARY KEY (projection, consumer)
);

-- When this service has asked the owner for what it keeps a copy of.
CREATE TABLE projection_requests (
    projection   TEXT PRIMARY KEY,
    requested_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE projection_requests;
DROP TABLE republications;

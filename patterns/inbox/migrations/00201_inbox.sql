-- +goose Up
CREATE TABLE inbox (
    event_id   TEXT NOT NULL,
    consumer   TEXT NOT NULL,
    handled_at BIGINT NOT NULL,
    PRIMARY KEY (event_id, consumer)
);

CREATE TABLE parked (
    event_id     TEXT NOT NULL,
    consumer     TEXT NOT NULL,
    type         TEXT NOT NULL,
    body         BYTEA NOT NULL, -- as received: it may be no text at all
    state        TEXT NOT NULL CHECK (state IN ('retry', 'dead')),
    attempts     INTEGER NOT NULL,
    last_error   TEXT NOT NULL,
    first_failed BIGINT NOT NULL,
    next_try     BIGINT NOT NULL, -- of state retry
    PRIMARY KEY (event_id, consumer)
);

CREATE INDEX parked_due ON parked (consumer, next_try) WHERE state = 'retry';

-- +goose Down
DROP TABLE parked;
DROP TABLE inbox;

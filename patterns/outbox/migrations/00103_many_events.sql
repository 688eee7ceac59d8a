-- +goose Up

-- A row holds all events of a transaction: their bodies, a line each. The key and the
-- type are those of the first.
ALTER TABLE outbox ADD COLUMN events INTEGER NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE outbox DROP COLUMN events;

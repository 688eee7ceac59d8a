-- +goose Up
ALTER TABLE parked ADD COLUMN replays INTEGER NOT NULL DEFAULT 0; -- how often an operator had it handled again

-- +goose Down
ALTER TABLE parked DROP COLUMN replays;

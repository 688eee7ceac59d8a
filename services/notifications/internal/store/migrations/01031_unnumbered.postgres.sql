-- +goose Up
-- Only replicas of an earlier version omit the position.
ALTER TABLE notices ALTER COLUMN position SET DEFAULT 0;

-- +goose Down
ALTER TABLE notices ALTER COLUMN position SET DEFAULT -1;

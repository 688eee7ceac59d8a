-- +goose Up
-- How an order was finished: its status once it is neither undecided nor confirmed and not
-- paid, and empty before that.
ALTER TABLE orders ADD COLUMN finished_as TEXT NOT NULL GENERATED ALWAYS AS (
    CASE WHEN status = 'pending' OR (status = 'confirmed' AND NOT paid) THEN '' ELSE status END) VIRTUAL;

-- +goose Down
ALTER TABLE orders DROP COLUMN finished_as;

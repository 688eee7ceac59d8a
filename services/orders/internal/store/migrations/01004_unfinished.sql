-- +goose Up
-- The orders that still cost work, by age: those that are not decided, and those that are
-- confirmed and not paid. Queries for undecided orders use it too.
CREATE INDEX orders_unfinished ON orders (deadline_at) WHERE status = 'pending' OR (status = 'confirmed' AND NOT paid);

-- +goose Down
DROP INDEX orders_unfinished;

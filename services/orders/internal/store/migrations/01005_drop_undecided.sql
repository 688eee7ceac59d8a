-- +goose Up
-- Apart from 01004: one transaction with both could deadlock with a running decider.
DROP INDEX IF EXISTS orders_undecided;

-- +goose Down
CREATE INDEX orders_undecided ON orders (deadline_at) WHERE status = 'pending';

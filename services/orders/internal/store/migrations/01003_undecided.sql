-- +goose Up
-- What a customer has set aside with orders that are not decided.
CREATE INDEX orders_undecided_by_user ON orders (user_id) WHERE status = 'pending';

-- +goose Down
DROP INDEX orders_undecided_by_user;

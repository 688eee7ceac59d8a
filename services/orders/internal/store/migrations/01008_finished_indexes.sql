-- +goose Up
DROP INDEX orders_by_status;
DROP INDEX orders_unfinished;
DROP INDEX orders_undecided_by_user;
CREATE INDEX orders_finished ON orders (finished_as, id) WHERE finished_as <> '';
CREATE INDEX orders_unfinished ON orders (deadline_at) WHERE finished_as = '';
CREATE INDEX orders_unfinished_by_user ON orders (user_id) WHERE finished_as = '';

-- +goose Down
DROP INDEX orders_finished;
DROP INDEX orders_unfinished;
DROP INDEX orders_unfinished_by_user;
CREATE INDEX orders_by_status ON orders (status, id);
CREATE INDEX orders_unfinished ON orders (deadline_at) WHERE status = 'pending' OR (status = 'confirmed' AND NOT paid);
CREATE INDEX orders_undecided_by_user ON orders (user_id) WHERE status = 'pending';

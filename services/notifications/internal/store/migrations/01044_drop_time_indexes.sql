-- +goose Up
-- Old mails and orders are found by their ids, which begin with the time.
DROP INDEX mails_sent;
DROP INDEX orders_created;

-- +goose Down
CREATE INDEX mails_sent ON mails (sent_at);
CREATE INDEX orders_created ON orders (created_at);

-- +goose Up
-- Orders of a batch are updated together, and their earlier versions are in use until it has
-- ended. With six orders on a page nearly all updates find room on it.
ALTER TABLE orders SET (fillfactor = 38);

-- +goose Down
ALTER TABLE orders SET (fillfactor = 45);

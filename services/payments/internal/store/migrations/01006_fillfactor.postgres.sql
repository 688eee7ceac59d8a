-- +goose Up
-- Payments of a batch are updated together, and their earlier versions are in use until it has
-- ended.
ALTER TABLE payments SET (fillfactor = 40);

-- +goose Down
ALTER TABLE payments SET (fillfactor = 50);

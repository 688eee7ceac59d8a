-- +goose Up
-- The outcome of a delivery changes no index: it stays in the page of the delivery, if
-- there is room.
ALTER TABLE deliveries SET (fillfactor = 50);

-- +goose Down
ALTER TABLE deliveries RESET (fillfactor);

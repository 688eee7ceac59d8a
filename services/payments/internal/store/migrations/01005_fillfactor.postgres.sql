-- +goose Up
-- In the common case an update of a payment changes no index. It stays within its page if
-- there is room.
ALTER TABLE payments SET (fillfactor = 50);
ALTER TABLE payment_leases SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- +goose Down
ALTER TABLE payments RESET (fillfactor);

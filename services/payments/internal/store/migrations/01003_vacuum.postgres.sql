-- +goose Up
-- Every row is due for a moment, so the index of due rows collects dead entries as fast
-- as work arrives, and every search for due rows starts at its oldest end.
ALTER TABLE payments SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- +goose Down
ALTER TABLE payments RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);

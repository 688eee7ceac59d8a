-- Every row is deleted moments after it was inserted. The table stays small only
-- if autovacuum starts after a number of dead rows, not a share of the table, and
-- runs without a cost delay.

-- +goose Up
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

-- +goose Down
ALTER TABLE outbox RESET (
    autovacuum_vacuum_scale_factor,
    autovacuum_vacuum_threshold,
    autovacuum_vacuum_cost_delay
);

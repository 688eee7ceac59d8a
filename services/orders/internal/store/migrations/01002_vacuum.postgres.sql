-- +goose Up
-- Every consumed event is pending for a moment: the index of pending entries grows dead
-- entries as fast as events arrive, and is scanned from its oldest end.
ALTER TABLE order_timeline SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- An order is written four times, but its indexed columns change only once or twice:
-- if there is room left on its page, the other writes touch no index.
ALTER TABLE orders SET (fillfactor = 45);

-- +goose Down
ALTER TABLE orders RESET (fillfactor);
ALTER TABLE order_timeline RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);

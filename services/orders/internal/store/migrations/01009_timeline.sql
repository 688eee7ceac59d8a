-- +goose Up
-- What happened to the order: see package timeline. It is the last column. Entries of
-- earlier versions stay in order_timeline, and so do events that wait for the decider.
ALTER TABLE orders ADD COLUMN timeline TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE orders DROP COLUMN timeline;

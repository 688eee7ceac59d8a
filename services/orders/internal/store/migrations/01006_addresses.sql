-- +goose Up
-- The members of an address that version 0.1 does not know. A replica of that version
-- that runs beside this one writes ship_to, and leaves this column alone.
ALTER TABLE orders ADD COLUMN ship_to_more TEXT NOT NULL DEFAULT '';
CREATE INDEX orders_rests ON orders (id) WHERE ship_to = '' AND ship_to_more <> '';

-- +goose Down
DROP INDEX orders_rests;
ALTER TABLE orders DROP COLUMN ship_to_more;

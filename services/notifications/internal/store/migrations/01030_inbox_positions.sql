-- +goose Up
-- The position of an entry in its user's inbox, in the order in which the entries became
-- visible: live streams continue after a position. Entries from before have -1; what an
-- earlier version of the service adds during a rollout has 0 until it is numbered.
ALTER TABLE notices ADD COLUMN position BIGINT NOT NULL DEFAULT -1;
CREATE INDEX notices_position ON notices (user_id, position) WHERE position > 0;
CREATE INDEX notices_unnumbered ON notices (event_id) WHERE position = 0;
CREATE INDEX notices_unread ON notices (user_id) WHERE read_at IS NULL;

-- The last position of each inbox. A transaction locks its row before it adds an entry, so
-- that positions become visible in their order. Reading an entry uses a position too.
CREATE TABLE inbox_positions (
    user_id  TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);

-- +goose Down
DROP TABLE inbox_positions;
DROP INDEX notices_unread;
DROP INDEX notices_unnumbered;
DROP INDEX notices_position;
ALTER TABLE notices DROP COLUMN position;

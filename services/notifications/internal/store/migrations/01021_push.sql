-- +goose Up
-- The keys with which the shop identifies itself to push services. The newest is for new
-- subscriptions; older ones are for those that were made with them.
CREATE TABLE push_keys (
    generation  BIGINT PRIMARY KEY,
    public_key  TEXT NOT NULL UNIQUE,
    private_key TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);

-- The browsers that receive pushes.
CREATE TABLE push_subscriptions (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL,
    session_id   TEXT NOT NULL, -- ends with it
    endpoint     TEXT NOT NULL UNIQUE,
    p256dh       TEXT NOT NULL,
    auth         TEXT NOT NULL,
    public_key   TEXT NOT NULL, -- the push key that it was made with
    paused_until BIGINT NOT NULL DEFAULT 0,
    created_at   BIGINT NOT NULL
);
CREATE INDEX push_subscriptions_user ON push_subscriptions (user_id);
CREATE INDEX push_subscriptions_session ON push_subscriptions (session_id);

-- A push is delivered to each subscription of its user.
ALTER TABLE deliveries ADD COLUMN target TEXT NOT NULL DEFAULT '';
DROP INDEX deliveries_once;
CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, kind, channel, user_id, target);

-- +goose Down
DELETE FROM deliveries WHERE channel = 'push';
DROP INDEX deliveries_once;
CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, kind, channel, user_id);
ALTER TABLE deliveries DROP COLUMN target;
DROP TABLE push_subscriptions;
DROP TABLE push_keys;

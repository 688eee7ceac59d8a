-- +goose Up
-- Notices that are held back, for a digest or until the quiet hours end. Those that are
-- due are sent together as one delivery, whose event is that of the first of them.
CREATE TABLE held_notices (
    event_id    TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    kind        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    amount      BIGINT NOT NULL,
    currency    TEXT NOT NULL,
    reason      TEXT NOT NULL,
    digest      TEXT NOT NULL DEFAULT '', -- the event of the delivery; '': not due yet
    due_at      BIGINT NOT NULL,
    PRIMARY KEY (event_id, kind, channel, user_id)
);
CREATE INDEX held_notices_due ON held_notices (due_at) WHERE digest = '';
CREATE INDEX held_notices_user ON held_notices (user_id);
CREATE INDEX held_notices_digest ON held_notices (digest, channel, user_id) WHERE digest <> '';

-- +goose Down
DROP TABLE held_notices;

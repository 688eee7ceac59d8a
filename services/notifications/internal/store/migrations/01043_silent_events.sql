-- +goose Up
-- Events that led to no notice, because of what the customer had chosen then, or because the
-- account was deleted. An event that is delivered again stays without one.
CREATE TABLE silent_events (
    event_id TEXT PRIMARY KEY,
    handled_at BIGINT NOT NULL
);
CREATE INDEX silent_events_handled ON silent_events (handled_at);

-- +goose Down
DROP TABLE silent_events;

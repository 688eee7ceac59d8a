-- +goose Up
-- The audit log: rows are only added, see 00602. What it holds about a person is an id and
-- an address on the network.
CREATE TABLE audit_log (
    id             TEXT PRIMARY KEY, -- UUIDv7: sorts by time
    service        TEXT NOT NULL,
    at             BIGINT NOT NULL,
    action         TEXT NOT NULL,
    outcome        TEXT NOT NULL,
    actor          TEXT NOT NULL,
    role           TEXT NOT NULL,
    target         TEXT NOT NULL,
    detail         TEXT NOT NULL,
    client_address TEXT NOT NULL,
    peer_address   TEXT NOT NULL,
    request_id     TEXT NOT NULL
);
CREATE INDEX audit_log_service ON audit_log (service, id);
CREATE INDEX audit_log_actor ON audit_log (service, actor, id);
CREATE INDEX audit_log_target ON audit_log (service, target, id);

-- Rows from before this time may be deleted.
CREATE TABLE audit_retention (
    service     TEXT PRIMARY KEY,
    keep_from   BIGINT NOT NULL
);

-- +goose Down
DROP TABLE audit_retention;
DROP TABLE audit_log;

-- The database itself refuses to change the audit log, whichever program asks.

-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log
WHEN OLD.at >= COALESCE((SELECT keep_from FROM audit_retention WHERE service = OLD.service), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_retention_update BEFORE UPDATE ON audit_retention WHEN NEW.keep_from < OLD.keep_from
BEGIN
    SELECT RAISE(ABORT, 'the retention of the audit log only moves forward');
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER audit_retention_update;
DROP TRIGGER audit_log_delete;
DROP TRIGGER audit_log_update;

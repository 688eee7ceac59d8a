-- The database itself refuses to change the audit log, whichever program asks.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION refuse_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at >= COALESCE((SELECT keep_from FROM audit_retention WHERE service = OLD.service), 0) THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION keep_audit_retention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.keep_from < OLD.keep_from THEN
        RAISE EXCEPTION 'the retention of the audit log only moves forward';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_log_truncate BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_log();
CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER audit_retention_update BEFORE UPDATE ON audit_retention FOR EACH ROW EXECUTE FUNCTION keep_audit_retention();

-- +goose Down
DROP TRIGGER audit_retention_update ON audit_retention;
DROP TRIGGER audit_log_delete ON audit_log;
DROP TRIGGER audit_log_truncate ON audit_log;
DROP TRIGGER audit_log_update ON audit_log;
DROP FUNCTION keep_audit_retention;
DROP FUNCTION keep_audit_log;
DROP FUNCTION refuse_change_of_audit_log;

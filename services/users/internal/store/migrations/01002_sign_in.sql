-- +goose Up

-- Attempts that are being checked, and when they no longer count because the process
-- that checked them must have crashed.
ALTER TABLE sign_in_attempts ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sign_in_attempts ADD COLUMN pending_until BIGINT NOT NULL DEFAULT 0;

-- The first admin's password in production is for one sign-in, which sets another.
ALTER TABLE accounts ADD COLUMN password_change_required BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE accounts DROP COLUMN password_change_required;
ALTER TABLE sign_in_attempts DROP COLUMN pending_until;
ALTER TABLE sign_in_attempts DROP COLUMN pending;

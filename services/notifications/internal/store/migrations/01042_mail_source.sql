-- +goose Up
-- What a mail in the built-in mailbox is rendered from, as JSON: its HTML, which is five
-- times as long, is rendered when it is shown. Mails from before have their HTML.
ALTER TABLE mails ADD COLUMN source TEXT NOT NULL DEFAULT '';
-- The mails of a user are found by their deliveries.
DROP INDEX mails_user;

-- +goose Down
CREATE INDEX mails_user ON mails (user_id);
ALTER TABLE mails DROP COLUMN source;

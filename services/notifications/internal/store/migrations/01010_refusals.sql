-- +goose Up
-- What the last refusal of a mail was about; see package delivery. Mails that the server
-- refused for a reason that meets every mail are all due again once it takes one.
ALTER TABLE deliveries ADD COLUMN about TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE deliveries DROP COLUMN about;

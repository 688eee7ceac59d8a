-- +goose Up
-- How many mails that cost nothing to cause went to an address in an hour. The address
-- is a hash, because the count outlives the account: deleting it and registering again
-- must not begin a new count.
CREATE TABLE sent_mails (
    address TEXT NOT NULL,
    hour    BIGINT NOT NULL, -- hours since 1970
    mails   BIGINT NOT NULL,
    PRIMARY KEY (address, hour)
);

-- +goose Down
DROP TABLE sent_mails;

-- +goose Up
-- How a user wants to be notified. A category without a row has its default.
CREATE TABLE preferences (
    user_id  TEXT NOT NULL,
    category TEXT NOT NULL,
    email    BOOLEAN NOT NULL,
    push     BOOLEAN NOT NULL,
    inbox    BOOLEAN NOT NULL,
    digest   TEXT NOT NULL, -- off, hourly or daily
    PRIMARY KEY (user_id, category)
);

-- The time zone of a user, and the hours in which nothing optional is sent.
CREATE TABLE quiet_hours (
    user_id     TEXT PRIMARY KEY,
    time_zone   TEXT NOT NULL, -- of the IANA database
    from_minute INTEGER,       -- of the local day; null: no quiet hours
    to_minute   INTEGER
);

-- +goose Down
DROP TABLE quiet_hours;
DROP TABLE preferences;

-- +goose Up
CREATE TABLE doors (id TEXT PRIMARY KEY);

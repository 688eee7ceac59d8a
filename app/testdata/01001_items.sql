-- +goose Up
CREATE TABLE items (id TEXT PRIMARY KEY);

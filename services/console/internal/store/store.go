// Package store keeps the entries of the journal and the list of orders in the console's
// database.
package store

import "embed"

// Migrations create the tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Package catalogue holds the page that describes every event. It is generated from
// package events by `make generate`.
package catalogue

import _ "embed"

// Page is the page as HTML. It needs nothing else.
//
//go:embed events.html
var Page []byte

// Package servicetest runs one real service for a test, on each database, and
// speaks to it as the world does: by HTTP and by events. Tests read as the
// business: requested, heard, said. Nothing runs in the background; loops are
// stepped by Settle, time moves by Advance.
package servicetest

import (
	"testing"
	"time"

	"troupe/app"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
)

// Option of Run.
type Option func(*settings)

type settings struct{}

// Setting gives the service an environment variable.
func Setting(name, value string) Option { panic("todo") }

// Run runs test once on SQLite and, if TEST_DATABASE_URL is set, once on
// PostgreSQL, each as a parallel sub-test with a fresh database.
func Run(t *testing.T, s app.Service, test func(t *testing.T, h *Harness), o ...Option) {
	panic("todo")
}

// Harness is one running service.
type Harness struct {
	DB  sqldb.DB
	URL string // where its API listens
}

// Now is the service's time: it starts at 2026-01-01 12:00 UTC and stands still.
func (h *Harness) Now() time.Time { panic("todo") }

// Advance moves the service's time on.
func (h *Harness) Advance(d time.Duration) { panic("todo") }

// Settle steps every loop of the service (relay, retries, workers) until none
// finds anything to do.
func (h *Harness) Settle(t *testing.T) { panic("todo") }

// Anonymous calls without a token.
func (h *Harness) Anonymous() *Client { panic("todo") }

// As calls with a valid token of that user, role and session "session-"+userID.
func (h *Harness) As(userID string, role auth.Role) *Client { panic("todo") }

// Hears delivers facts, each in a new envelope and a batch of its own, then settles.
// It fails the test if the service could not handle one.
func (h *Harness) Hears(t *testing.T, facts ...event.Fact) { panic("todo") }

// HearsBatch delivers facts in one batch, then settles.
func (h *Harness) HearsBatch(t *testing.T, facts ...event.Fact) { panic("todo") }

// Redelivers delivers every event heard so far once more, in the same envelopes,
// then settles: nothing may change.
func (h *Harness) Redelivers(t *testing.T) { panic("todo") }

// Says settles and demands that exactly these facts were said since the last
// Says, in any order. With none: nothing was said.
func (h *Harness) Says(t *testing.T, facts ...event.Fact) { panic("todo") }

// Said settles and gives the facts of type E said since the beginning, oldest
// first; Says is not affected.
func Said[E event.Fact](t *testing.T, h *Harness) []E { panic("todo") }

// Client calls the service's API.
type Client struct{}

// With sends a header with every call of the copy it returns.
func (c *Client) With(header, value string) *Client { panic("todo") }

// Get calls; body of the others: nil for none, a string is sent as it is (as
// application/json unless With says otherwise), anything else as JSON.
func (c *Client) Get(t *testing.T, path string) *Answer             { panic("todo") }
func (c *Client) Post(t *testing.T, path string, body any) *Answer  { panic("todo") }
func (c *Client) Put(t *testing.T, path string, body any) *Answer   { panic("todo") }
func (c *Client) Patch(t *testing.T, path string, body any) *Answer { panic("todo") }
func (c *Client) Delete(t *testing.T, path string) *Answer          { panic("todo") }

// Answer is what came back.
type Answer struct {
	Status int
	Body   []byte
}

// Want demands a status and JSON values by dotted path ("items.0.sku", "total.amount").
// Numbers compare by value.
func (a *Answer) Want(t *testing.T, status int, pathsAndValues ...any) *Answer { panic("todo") }

// Problem demands a problem document with this status and code.
func (a *Answer) Problem(t *testing.T, status int, code string) *Answer { panic("todo") }

// Field gives the string at a dotted path, failing the test if there is none.
func (a *Answer) Field(t *testing.T, path string) string { panic("todo") }

// JSON decodes the body.
func (a *Answer) JSON(t *testing.T, into any) { panic("todo") }

// Header gives an answer's header.
func (a *Answer) Header(name string) string { panic("todo") }

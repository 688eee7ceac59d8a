// Package view has the JSON of the console's API: what its pages and the command line show.
package view

import (
	"encoding/json"
	"time"
)

// Session is who looks at a page, and what is allowed.
type Session struct {
	Email       string `json:"email"`
	Environment string `json:"environment" doc:"development or production"`
	ReadOnly    bool   `json:"read_only"`
	Lab         bool   `json:"lab" doc:"whether faults can be caused here"`
	Version     string `json:"version"`
	JaegerURL   string `json:"jaeger_url,omitempty"`
}

// Overview is the first page.
type Overview struct {
	Attention []Attention `json:"attention" doc:"what needs attention, the most urgent first; empty if all is well"`
	Topology  Topology    `json:"topology"`
	Tiles     []Tile      `json:"tiles" doc:"orders, failures, time to a decision, backlog"`
	Orders    int         `json:"orders" doc:"how many orders the console knows"`
	Faults    []Fault     `json:"faults" doc:"the faults of the lab that are active now"`
	Gaps      int         `json:"gaps" doc:"records that the journal had no room for, in the last 15 minutes"`
}

// Attention is something that needs a look.
type Attention struct {
	Kind  string    `json:"kind" enum:"stuck_orders,dead_letters,breaker,outbox,deliveries,service"`
	Title string    `json:"title" doc:"a sentence: '3 orders wait for payments for longer than 5 minutes'"`
	Count int       `json:"count"`
	Since time.Time `json:"since" doc:"when the oldest began"`
	Link  string    `json:"link" doc:"the page that shows more, relative to /console"`
}

// Topology is the picture of the services.
type Topology struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Node is a service, or the bus.
type Node struct {
	Name     string   `json:"name"`
	State    string   `json:"state" enum:"up,impaired,down,unknown"`
	Reason   string   `json:"reason,omitempty"`
	Rate     float64  `json:"rate" doc:"requests or events handled per second, in the last 10 s"`
	Queue    int      `json:"queue" doc:"messages in its queue, each of one or several events, that it has not acknowledged"`
	Parked   int      `json:"parked" doc:"events that wait for another attempt"`
	Outbox   int      `json:"outbox" doc:"events that wait to be published"`
	Breakers []string `json:"breakers,omitempty" doc:"'payments: open'; those that are closed are left out"`
}

// Edge is traffic between two nodes.
type Edge struct {
	From  string  `json:"from"`
	To    string  `json:"to"`
	Kind  string  `json:"kind" enum:"http,event"`
	Rate  float64 `json:"rate" doc:"per second, in the last 10 s"`
	State string  `json:"state" enum:"ok,retrying,failing"`
}

// Tile is one number with its recent past.
type Tile struct {
	ID     string    `json:"id"`
	Title  string    `json:"title"`
	Value  float64   `json:"value"`
	Unit   string    `json:"unit"`
	Series []float64 `json:"series" doc:"the last 15 minutes, a value each 15 s"`
}

// Orders is a page of orders, the newest first.
type Orders struct {
	Items  []OrderSummary `json:"items"`
	Cursor string         `json:"cursor,omitempty" doc:"of the next page"`
	Total  int            `json:"total" doc:"how many match; at most 10,000 are counted"`
}

// OrderSummary is an order in a list.
type OrderSummary struct {
	ID        string    `json:"id"`
	UserID    string    `json:"user_id"`
	Status    string    `json:"status" enum:"pending,confirmed,paid,shipped,delivered,cancelled"`
	Verdict   string    `json:"verdict"`
	Cause     string    `json:"cause,omitempty" enum:"card_declined,out_of_stock,deadline,customer,admin,capture_failed,stuck,retrying,dead_letter"`
	Total     Money     `json:"total"`
	StartedAt time.Time `json:"started_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Attempts  int       `json:"attempts" doc:"to handle its events"`
	Failures  int       `json:"failures" doc:"attempts that failed"`
}

// Money is an amount in minor units.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Order is all that is known about an order.
type Order struct {
	OrderSummary
	States   []State  `json:"states" doc:"the way through its states, with those to come"`
	Lanes    []string `json:"lanes" doc:"the services that took part, in the order of the picture"`
	Steps    []Step   `json:"steps" doc:"in an order in which no cause follows its effect"`
	Folds    []Fold   `json:"folds" doc:"times in which nothing happened"`
	Spans    []Span   `json:"spans"`
	Lines    []Line   `json:"lines" doc:"what services logged about it"`
	Mails    []Mail   `json:"mails"`
	Complete bool     `json:"complete" doc:"false if the journal has a gap in this order"`
	Notes    []string `json:"notes,omitempty" doc:"what is missing or was left out, as sentences"`
}

// State is a state of the order.
type State struct {
	Name string     `json:"name"`
	At   *time.Time `json:"at,omitempty" doc:"absent if it is still to come"`
}

// Step is something that a service did for the order: it published an event (emit) or
// handled one (handle).
type Step struct {
	ID           string          `json:"id"`
	Lane         string          `json:"lane" doc:"the service"`
	Kind         string          `json:"kind" enum:"emit,handle"`
	Type         string          `json:"type" doc:"of the event"`
	EventID      string          `json:"event_id,omitempty"`
	Label        string          `json:"label" doc:"'payments handles order.created, attempt 2: failed'"`
	Outcome      string          `json:"outcome" enum:"ok,duplicate,retry,dead,waiting,expected"`
	Compensation bool            `json:"compensation" doc:"whether it undoes something"`
	Ghost        bool            `json:"ghost" doc:"whether it is expected, but has not happened"`
	Attempt      int             `json:"attempt,omitempty"`
	Error        string          `json:"error,omitempty"`
	At           time.Time       `json:"at" doc:"the start; of a ghost, the time of its cause"`
	Took         int64           `json:"took_us" doc:"of a handler, in microseconds"`
	Waited       int64           `json:"waited_us" doc:"since the event was published, or since the attempt before, in microseconds"`
	NextAt       *time.Time      `json:"next_at,omitempty" doc:"of the next attempt"`
	Causes       []string        `json:"causes,omitempty" doc:"the ids of the steps that led to this one"`
	Data         json.RawMessage `json:"data,omitempty" doc:"of the event, without what is secret or personal"`
	TraceID      string          `json:"trace_id,omitempty"`
	Before       *Standing       `json:"before,omitempty" doc:"how the order stood before it; only at steps of orders"`
	After        *Standing       `json:"after,omitempty" doc:"how the order stood after it"`
}

// Standing is how an order stands, as the orders service knows it.
type Standing struct {
	Status  string `json:"status" enum:"pending,confirmed,paid,shipped,delivered,cancelled"`
	Payment string `json:"payment" enum:"none,authorized,captured,declined,voided,refunded,unknown"`
	Stock   string `json:"stock" enum:"none,reserved,committed,rejected,released"`
}

// Line is a line of a service's log.
type Line struct {
	At      time.Time         `json:"at"`
	Service string            `json:"service"`
	Level   string            `json:"level" enum:"INFO,WARN,ERROR"`
	Text    string            `json:"text"`
	EventID string            `json:"event_id,omitempty" doc:"of the event that was handled"`
	TraceID string            `json:"trace_id,omitempty"`
	Details map[string]string `json:"details,omitempty" doc:"the other attributes, without what is secret or personal"`
}

// Fold is a time between two steps in which nothing happened.
type Fold struct {
	After string `json:"after" doc:"the id of the last step before it"`
	Took  int64  `json:"took_us"`
}

// Span is a span of a trace.
type Span struct {
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	ParentID   string            `json:"parent_id,omitempty"`
	Links      []string          `json:"links,omitempty"`
	Service    string            `json:"service"`
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	StartedAt  time.Time         `json:"started_at"`
	Took       int64             `json:"took_us"`
	Error      string            `json:"error,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Mail is a mail, a push or a notice that was sent, or is to be sent.
type Mail struct {
	ID      string    `json:"id"`
	OrderID string    `json:"order_id,omitempty"`
	Channel string    `json:"channel" enum:"email,push,inbox,webhook"`
	Kind    string    `json:"kind"`
	State   string    `json:"state"`
	Subject string    `json:"subject,omitempty"`
	Text    string    `json:"text,omitempty"`
	HTML    string    `json:"html,omitempty" doc:"only of one mail"`
	Source  string    `json:"source,omitempty" doc:"only of one delivery: what the server has answered, and when"`
	At      time.Time `json:"at"`
}

// Entry is a line of the tail of events: an event that was published, or an attempt to
// handle one.
type Entry struct {
	Seq     int64           `json:"seq" doc:"grows by time; the SSE id"`
	At      time.Time       `json:"at"`
	Kind    string          `json:"kind" enum:"published,handled"`
	Service string          `json:"service"`
	Type    string          `json:"type"`
	EventID string          `json:"event_id"`
	OrderID string          `json:"order_id,omitempty"`
	Outcome string          `json:"outcome,omitempty" enum:"ok,duplicate,retry,dead"`
	Attempt int             `json:"attempt,omitempty"`
	Error   string          `json:"error,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Entries is a page of the tail, the newest last.
type Entries struct {
	Items []Entry `json:"items"`
}

// DeadLetterGroup is dead letters with one cause.
type DeadLetterGroup struct {
	ID       string    `json:"id"`
	Consumer string    `json:"consumer"`
	Type     string    `json:"type"`
	Cause    string    `json:"cause" doc:"the error without what differs from event to event"`
	State    string    `json:"state" enum:"retry,dead" doc:"retry: they are tried again by themselves"`
	Count    int       `json:"count"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Returned int       `json:"returned" doc:"how many were replayed and failed again"`
	// Compensation is whether they undo something: then they are never given up.
	Compensation bool `json:"compensation,omitempty"`
}

// DeadLetterGroups lists them, the largest first.
type DeadLetterGroups struct {
	Items       []DeadLetterGroup `json:"items"`
	Unreachable []string          `json:"unreachable,omitempty" doc:"services that did not answer"`
}

// DeadLetter is one event that could not be handled.
type DeadLetter struct {
	EventID  string          `json:"event_id"`
	Consumer string          `json:"consumer"`
	Type     string          `json:"type"`
	OrderID  string          `json:"order_id,omitempty"`
	State    string          `json:"state"`
	Attempts int             `json:"attempts"`
	Replays  int             `json:"replays"`
	Error    string          `json:"error"`
	At       time.Time       `json:"at"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// DeadLetters lists the dead letters of a group.
type DeadLetters struct {
	Items []DeadLetter `json:"items"`
}

// Replayed is the result of a replay or a discard, or of its dry run.
type Replayed struct {
	DryRun bool `json:"dry_run"`
	Count  int  `json:"count" doc:"how many it is, or would be"`
	Failed int  `json:"failed" doc:"how many services did not do their part"`
	Kept   int  `json:"kept,omitempty" doc:"compensations that a discard has left"`
	// Problems has a sentence for each service that did not do its part.
	Problems []string `json:"problems,omitempty"`
}

// Service is a service as the console sees it.
type Service struct {
	Node
	URL       string            `json:"url"`
	Instances []Instance        `json:"instances"`
	Probes    []Probe           `json:"probes"`
	Consumes  []Consumer        `json:"consumes"`
	Breakers  []BreakerState    `json:"breaker_states"`
	Settings  map[string]string `json:"settings" doc:"secrets are redacted"`
}

// Instance is one running process of a service.
type Instance struct {
	Name   string    `json:"name"`
	SeenAt time.Time `json:"seen_at"`
}

// Probe is the answer of /livez or /readyz.
type Probe struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text,omitempty"`
}

// Consumer is a type of event that a service handles.
type Consumer struct {
	Type   string  `json:"type"`
	Rate   float64 `json:"rate"`
	Failed float64 `json:"failed" doc:"attempts that failed, per second"`
	Lag    float64 `json:"lag_s" doc:"from published to handled, in seconds, of late"`
}

// BreakerState is a circuit breaker with its recent past.
type BreakerState struct {
	Dependency string       `json:"dependency"`
	State      string       `json:"state" enum:"closed,open,half_open"`
	History    []Transition `json:"history"`
}

// Transition is a change of a circuit breaker.
type Transition struct {
	At     time.Time `json:"at"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Reason string    `json:"reason,omitempty"`
}

// Services lists them all.
type Services struct {
	Items []Service `json:"items"`
}

// TraceSummary is a trace in a list.
type TraceSummary struct {
	TraceID   string    `json:"trace_id"`
	Name      string    `json:"name" doc:"of its first span"`
	Service   string    `json:"service"`
	OrderID   string    `json:"order_id,omitempty"`
	StartedAt time.Time `json:"started_at"`
	Took      int64     `json:"took_us"`
	Spans     int       `json:"spans"`
	Errors    int       `json:"errors"`
}

// Traces lists recent traces, the newest first.
type Traces struct {
	Items []TraceSummary `json:"items"`
}

// Trace is the spans of one trace.
type Trace struct {
	TraceID string `json:"trace_id"`
	Spans   []Span `json:"spans"`
}

// Mails lists what was sent of late, the newest first.
type Mails struct {
	Items []Mail `json:"items"`
}

// Fault is a fault that the lab can cause.
type Fault struct {
	ID      string     `json:"id"`
	Title   string     `json:"title"`
	Expect  string     `json:"expect" doc:"what should be seen"`
	Active  bool       `json:"active"`
	EndsAt  *time.Time `json:"ends_at,omitempty"`
	OrderID string     `json:"order_id,omitempty" doc:"the order that the last run placed"`
	Problem string     `json:"problem,omitempty" doc:"why the last run shows less than it should"`
}

// Lab lists the faults.
type Lab struct {
	Items []Fault `json:"items"`
}

// Action is something that an admin did in the console.
type Action struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Action string    `json:"action"`
	Target string    `json:"target"`
	Reason string    `json:"reason,omitempty"`
	Result string    `json:"result"`
}

// Actions lists them, the newest first.
type Actions struct {
	Items []Action `json:"items"`
}

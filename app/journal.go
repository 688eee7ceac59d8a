package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"troupe/patterns/bus/rabbit"
	"troupe/patterns/journal"
	"troupe/platform/telemetry"
)

// journalLimit is how long the console may take for a batch of records. They are lost then.
const journalLimit = 5 * time.Second

// newJournal makes the journal of the process, unless it is switched off.
func (s *System) newJournal() {
	if s.settings.Journal == "off" {
		return
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	s.journal = journal.New(journal.Config{
		Instance: fmt.Sprintf("%s:%d", host, os.Getpid()), PerSecond: s.settings.JournalRate, Now: now,
	})
}

// connectJournal connects the journal to the service that receives records: directly if it
// runs in this process, else by RabbitMQ. Without either nothing is recorded.
func (s *System) connectJournal() {
	if s.journal == nil || len(s.services) == 0 {
		return
	}
	s.journal.RegisterMetrics(s.services[0].instance.Env.Registry)
	if s.settings.AMQPURL == "" || telemetry.Recording() { // with a process for each service only what is exported: each span is a row of the console
		s.forgetSpans = telemetry.OnEnd(s.spanRecorder())
	}
	if s.settings.AMQPURL != "" {
		s.journals = rabbit.NewJournal(s.settings.AMQPURL, s.name(), s.log.With("service", s.name()))
		s.journal.SendTo(s.journals.Send)
		return
	}
	for _, m := range s.services {
		if receive := m.instance.Components.Journaled; receive != nil {
			s.journal.SendTo(func(records []journal.Record) error {
				ctx, cancel := context.WithTimeout(context.Background(), journalLimit)
				defer cancel()
				return receive(ctx, records)
			})
		}
	}
}

// spanRecorder returns a function that records the spans of the services of this process.
func (s *System) spanRecorder() func(telemetry.Ended) {
	recorders := map[string]*journal.Recorder{}
	for _, m := range s.services {
		recorders[m.service.Name] = s.journal.Recorder(m.service.Name)
	}
	return func(e telemetry.Ended) {
		recorders[e.Service].Span(orderOf(e), journal.Span{
			TraceID: e.TraceID, SpanID: e.SpanID, ParentID: e.ParentID, Links: e.Links, Name: e.Name, Kind: e.Kind,
			StartedAt: e.StartedAt, EndedAt: e.EndedAt, Error: e.Error, Attributes: e.Attributes,
		})
	}
}

// orderOf returns the order that a span is about, "" if it does not tell.
func orderOf(e telemetry.Ended) string {
	if eventType := e.Attributes["cloudevents.event_type"]; eventType != "" && !isAboutOrder(eventType) {
		return ""
	}
	return e.Attributes["messaging.message.conversation_id"]
}

// receiveJournals hands what arrives from other processes to the service that receives it.
func (s *System) receiveJournals() {
	for _, m := range s.services {
		if receive := m.instance.Components.Journaled; receive != nil {
			s.consumers.start(func(ctx context.Context) { s.journals.Consume(ctx, receive) })
		}
	}
}

// flushJournal hands on what was recorded last.
func (s *System) flushJournal(ctx context.Context) {
	if s.forgetSpans != nil {
		s.forgetSpans()
	}
	if s.journal != nil {
		_, _ = s.journal.Step(ctx) // it never fails
	}
}

package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"troupe/patterns/bus/rabbit"
	"troupe/patterns/journal"
	"troupe/platform/telemetry"
)

// journalLimit is how long the console may take for a batch of records. They are lost then.
const journalLimit = 5 * time.Second

// newJournal makes the journal of the process, unless it is switched off. Without a broker
// and without a service that receives records, they are kept.
func (s *System) newJournal() {
	if s.settings.Journal == "off" {
		return
	}
	s.journal = journal.New(journal.Config{Instance: instanceName(), PerSecond: s.settings.JournalRate, Now: now})
	if s.settings.AMQPURL == "" && !slices.ContainsFunc(s.services, func(m *runningService) bool { return m.service.ReadsJournals }) {
		s.kept = &journal.Kept{}
	}
}

// instanceName returns the name of this process among all of the system.
func instanceName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// connectJournal connects the journal to the service that receives records: directly if it
// runs in this process, else by RabbitMQ. Without either, as in the gateway's own process, the
// records are kept, and the console asks for them.
func (s *System) connectJournal() {
	if s.journal == nil || len(s.services) == 0 {
		return
	}
	s.journal.RegisterMetrics(s.services[0].instance.Env.Registry)
	s.forgetSpans = telemetry.OnEnd(s.spanRecorder())
	switch {
	case s.kept != nil:
		s.journal.SendTo(s.kept.Add)
		return
	case s.settings.AMQPURL != "":
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
func (s *System) spanRecorder() func(telemetry.EndingSpan) {
	recorders := map[string]*journal.Recorder{}
	for _, m := range s.services {
		recorders[m.service.Name] = s.journal.Recorder(m.service.Name)
	}
	return func(span telemetry.EndingSpan) {
		recorder, order := recorders[span.Service], orderOf(span)
		if !recorder.KeepsSpan(order, span.TraceID(), span.Failed()) {
			return
		}
		e := span.Describe()
		recorder.Span(order, journal.Span{
			TraceID: e.TraceID, SpanID: e.SpanID, ParentID: e.ParentID, Links: e.Links, Name: e.Name, Kind: e.Kind,
			StartedAt: e.StartedAt, EndedAt: e.EndedAt, Error: e.Error, Attributes: e.Attributes,
		})
	}
}

// orderOf returns the order that a span is about, "" if it does not tell.
func orderOf(span telemetry.EndingSpan) string {
	if eventType := span.Attribute("cloudevents.event_type"); eventType != "" && !isAboutOrder(eventType) {
		return ""
	}
	return span.Attribute("messaging.message.conversation_id")
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

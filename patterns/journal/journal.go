package journal

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/worker"
)

const (
	mostRecords = 8192    // in the buffer
	mostBytes   = 8 << 20 // of payloads and errors in the buffer
	batch       = 500     // records that a Sink receives at once
	interval    = 300 * time.Millisecond
)

// Config configures a Journal. All fields are required.
type Config struct {
	Instance string // one running process: host name and process id
	// PerSecond is how many records are made in a second, on the average of ten, and how many
	// of spans beside them; under more load, whole orders and whole traces are left out.
	PerSecond int
	Now       func() time.Time
}

// Journal is the journal of a process, which may run several services. Its methods are safe
// for concurrent use.
type Journal struct {
	instance string
	now      func() time.Time
	sampler  *sampler
	spans    *sampler // has a limit of its own: strangers cause spans, and must not displace orders
	metrics  *metrics
	sink     atomic.Pointer[Sink]

	mu     sync.Mutex
	buffer []Record
	bytes  int
	lost   int                      // records that reached no sink, and that no gap has reported yet
	served map[string]*atomic.Int64 // requests since the last step, by service

	sending sync.Mutex // held during a step
	spare   []Record   // the buffer of the last step
}

// New returns a journal without a sink: until there is one, it records nothing.
func New(c Config) *Journal {
	return &Journal{
		instance: c.Instance, now: c.Now, metrics: newMetrics(),
		sampler: newSampler(c.PerSecond, c.Now()), spans: newSampler(c.PerSecond, c.Now()), served: map[string]*atomic.Int64{},
	}
}

// SendTo makes the journal record, and hand its records to a sink.
func (j *Journal) SendTo(sink Sink) { j.sink.Store(&sink) }

// RegisterMetrics registers the journal's metrics.
func (j *Journal) RegisterMetrics(r prometheus.Registerer) {
	r.MustRegister(j.metrics.records, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "troupe_journal_share", Help: "The share of the orders that the journal records, from 0 to 1; less than 1 under load.",
	}, j.sampler.share))
}

// Worker returns the worker that hands records on.
func (j *Journal) Worker() worker.Worker {
	return worker.Worker{Name: "journal", Step: j.Step, Interval: interval, BatchSize: 1}
}

// Step hands all records that have been made to the sink. It never fails: what the sink does
// not take is lost, and counted. It always returns 0, so that the next records are collected
// for a while.
func (j *Journal) Step(context.Context) (int, error) {
	j.sending.Lock()
	defer j.sending.Unlock()
	sink := j.sink.Load()
	if sink == nil {
		return 0, nil
	}
	leftOut := j.sampler.tick(j.now()) + j.spans.tick(j.now())
	j.metrics.sampled.Add(float64(leftOut))
	records, lost := j.take()
	records = append(records, j.takeServed()...)
	if lost += leftOut; lost > 0 {
		records = append(records, Record{Kind: Dropped, At: j.now(), Instance: j.instance, Lost: lost})
	}
	for i := range records {
		records[i].redact()
	}
	for at := 0; at < len(records); at += batch {
		j.send(*sink, records[at:min(at+batch, len(records))])
	}
	clear(records)
	j.spare = records[:0]
	return 0, nil
}

// send hands some records to the sink.
func (j *Journal) send(sink Sink, records []Record) {
	if sink(records) == nil {
		j.metrics.sent.Add(float64(len(records)))
		return
	}
	lost := 0
	for _, r := range records {
		if r.Kind == Dropped {
			lost += r.Lost
		} else {
			lost++
		}
	}
	j.metrics.failed.Add(float64(len(records)))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lost += lost
}

// take empties the buffer, and returns how many records are lost.
func (j *Journal) take() (records []Record, lost int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	records, lost = j.buffer, j.lost
	j.buffer, j.bytes, j.lost = j.spare, 0, 0
	return records, lost
}

// counterOf returns the counter of the requests of a service.
func (j *Journal) counterOf(service string) *atomic.Int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.served[service] == nil {
		j.served[service] = &atomic.Int64{}
	}
	return j.served[service]
}

// takeServed returns a record for each service that has answered requests since it was called last.
func (j *Journal) takeServed() (records []Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for service, counter := range j.served {
		if n := int(counter.Swap(0)); n > 0 {
			records = append(records, Record{Kind: Served, At: j.now(), Service: service, Instance: j.instance, StandsFor: n})
		}
	}
	return records
}

// add puts a record into the buffer if it fits.
func (j *Journal) add(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	size := r.size()
	if len(j.buffer) >= mostRecords || j.bytes+size > mostBytes {
		j.lost++
		j.metrics.full.Inc()
		return
	}
	j.buffer = append(j.buffer, r)
	j.bytes += size
}

// size returns about how many bytes a record holds besides those of its fields.
func (r Record) size() int {
	switch {
	case r.Event != nil:
		return len(r.Event.Data)
	case r.Attempt != nil:
		return len(r.Attempt.Error)
	case r.Span != nil:
		return 100 * len(r.Span.Attributes)
	case r.Line != nil:
		return r.Line.size()
	}
	return 0
}

// metrics count what becomes of the records.
type metrics struct {
	records                     *prometheus.CounterVec
	sent, failed, full, sampled prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{records: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_journal_records_total",
		Help: "Records of the journal, by result: sent, failed (the console cannot be reached), full (the buffer had no room), sampled (left out under load).",
	}, []string{"result"})}
	m.sent, m.failed = m.records.WithLabelValues("sent"), m.records.WithLabelValues("failed")
	m.full, m.sampled = m.records.WithLabelValues("full"), m.records.WithLabelValues("sampled")
	return m
}

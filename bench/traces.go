package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// traceSink is a collector of spans that keeps none.
type traceSink struct {
	server   *http.Server
	url      string
	received atomic.Int64 // bytes
}

// newTraceSink listens for spans until it is closed.
func newTraceSink(ctx context.Context) (*traceSink, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &traceSink{url: "http://" + listener.Addr().String()}
	s.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		s.received.Add(n)
	})}
	go s.server.Serve(listener) //nolint:errcheck // it ends with the bench
	return s, nil
}

// settings are those of a program that sends the spans of a tenth of the traces here.
func (s *traceSink) settings() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + s.url, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1"}
}

// close ends the sink. It fails if no span has come, because then tracing was not measured.
func (s *traceSink) close() error {
	if s.received.Load() == 0 {
		return errors.Join(s.server.Close(), errors.New("the program has sent no spans"))
	}
	return s.server.Close()
}

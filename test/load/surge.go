package load

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"troupe/client"
)

// Surge offers orders at a rate, whether or not they are accepted, as a crowd of
// customers does who do not know of each other. It repeats nothing.
type Surge struct {
	gateway  string   // its address
	requests [][]byte // an order of each customer
	idle     chan *connection

	mu      sync.Mutex
	answers Answers
}

// Answers is how the orders of a surge were answered.
type Answers struct {
	Accepted, Refused, Failed int
	ByGateway                 int    // of the refused, those that the gateway refused itself
	Skipped                   int    // orders that were not sent, because too many requests had no answer yet
	Refusals, Probes          Times  // how long each refusal took; and requests that the gateway answers without any work
	Failure                   string // the last answer that was neither
}

// Times are durations, sorted.
type Times []time.Duration

// Below returns the time below which that share of t is; 0 if t is empty.
func (t Times) Below(share float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	return t[int(share*float64(len(t)-1))].Round(100 * time.Microsecond)
}

// NewSurge registers so many customers and returns a surge of their orders. Prepare
// comes first.
func (g *Generator) NewSurge(ctx context.Context, customers int) (*Surge, error) {
	s := &Surge{gateway: strings.TrimPrefix(g.Gateway, "http://"), idle: make(chan *connection, outstanding)}
	for range customers {
		u, err := g.register(ctx)
		if err != nil {
			return nil, err
		}
		err = u.call(ctx, func(api *client.Client) error {
			s.requests = append(s.requests, order(api.Token()))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("log in: %w", err)
		}
	}
	return s, nil
}

const (
	outstanding = 512                  // requests without an answer at a time
	pulse       = 5 * time.Millisecond // between two groups of requests
)

// Run offers so many orders per second for that time, and returns how they were answered.
func (s *Surge) Run(ctx context.Context, perSecond float64, d time.Duration) Answers {
	s.answers = Answers{}
	slots := make(chan struct{}, outstanding)
	ticks := time.NewTicker(pulse)
	defer ticks.Stop()
	var requests sync.WaitGroup
	stopProbing := s.probe(ctx)
	sent := 0
	for began := time.Now(); time.Since(began) < d && ctx.Err() == nil; <-ticks.C {
		for ; float64(sent) < perSecond*time.Since(began).Seconds(); sent++ {
			select {
			case slots <- struct{}{}:
				request := s.requests[sent%len(s.requests)]
				requests.Go(func() { s.place(ctx, request); <-slots })
			default:
				s.answers.skip(&s.mu)
			}
		}
	}
	requests.Wait()
	stopProbing()
	slices.Sort(s.answers.Refusals)
	slices.Sort(s.answers.Probes)
	return s.answers
}

// probe asks for the gateway's liveness twenty times a second until the function that it
// returns is called. What that takes is what the machine costs every request.
func (s *Surge) probe(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for sleep(ctx, 50*time.Millisecond) {
			began := time.Now()
			if _, _, err := s.exchange(ctx, livez); err == nil {
				s.answers.Probes = append(s.answers.Probes, time.Since(began))
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func (a *Answers) skip(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
	a.Skipped++
}

// Burst places n orders as fast as they are accepted, and repeats those that are refused.
func (s *Surge) Burst(ctx context.Context, n, clients int) error {
	orders := make(chan []byte, n)
	for i := range n {
		orders <- s.requests[i%len(s.requests)]
	}
	close(orders)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for order := range orders {
				for ctx.Err() == nil && s.place(ctx, order) != http.StatusCreated {
					sleep(ctx, 100*time.Millisecond)
				}
			}
		})
	}
	group.Wait()
	return ctx.Err()
}

// place places one order and returns the status of the answer; 0 without an answer.
func (s *Surge) place(ctx context.Context, order []byte) int {
	began := time.Now()
	status, answer, err := s.exchange(ctx, order)
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.answers.Failed++
		s.answers.Failure = err.Error()
	case status == http.StatusCreated:
		s.answers.Accepted++
	case status == http.StatusServiceUnavailable && bytes.Contains(answer, []byte(`overloaded"`)):
		s.answers.Refused++
		if !bytes.Contains(answer, []byte(`"orders_overloaded"`)) {
			s.answers.ByGateway++
		}
		s.answers.Refusals = append(s.answers.Refusals, took)
	default:
		s.answers.Failed++
		s.answers.Failure = fmt.Sprintf("%d %s", status, answer)
	}
	return status
}

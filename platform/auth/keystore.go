package auth

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

const (
	refreshEvery = 5 * time.Minute
	// Between two fetches provoked by unknown key ids, or after a failed one. It
	// also is the negative cache: for so long, what the set does not hold is unknown.
	refreshPause = 10 * time.Second
	// The same while there is no set at all and every request waits for one.
	firstPause   = time.Second
	fetchTimeout = 2 * time.Second
	// How long a request with an unknown key id waits for the set that may hold it.
	unknownKeyWait = 500 * time.Millisecond
)

var errNoKeys = &fault.Error{
	Kind: fault.Unavailable, Code: "keys_unavailable", RetryAfter: firstPause,
	Message: "access tokens can not be checked right now; try again in a moment",
}

// keyStore holds the newest good key set. Readers take it from an atomic
// pointer; whoever finds it stale, or misses a key in it, starts one fetch that
// everybody shares. A fetch that fails leaves the last good set in place,
// however old: the tokens it can prove end by themselves within minutes.
type keyStore struct {
	url    string
	client *http.Client
	db     sqldb.DB
	now    func() time.Time

	set      atomic.Pointer[keySet]
	staleAt  atomic.Int64 // Unix nanoseconds; 0 means at once
	mu       sync.Mutex
	fetching chan struct{} // closed when the fetch under way has ended; nil if there is none
	nextTry  time.Time     // no fetch before
	failure  error         // why the last fetch failed
}

func newKeyStore(c VerifierConfig) *keyStore {
	s := &keyStore{url: c.JWKSURL, client: c.Client, db: c.DB, now: c.Now}
	if s.client == nil {
		s.client = &http.Client{
			Timeout:       fetchTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") },
		}
	}
	if c.Static == nil {
		return s
	}
	s.url = ""
	set, err := parseKeySet(c.Static)
	if err != nil {
		s.failure = err
		return s
	}
	s.set.Store(set)
	return s
}

// current is the newest good set, nil if there never was one.
func (s *keyStore) current() *keySet { return s.set.Load() }

// find gives the key with that id and the set it is in. If it is not there, the
// set may be old: fetch, at most once per refreshPause, and look again.
func (s *keyStore) find(ctx context.Context, id string, now time.Time) (*ecdsa.PublicKey, *keySet, error) {
	set, err := s.first(ctx, now)
	if err != nil {
		return nil, nil, err
	}
	if key := set.keys[id]; key != nil {
		s.refreshIfStale(now)
		return key, set, nil
	}
	s.await(ctx, s.refresh(now), unknownKeyWait)
	if set = s.current(); set.keys[id] != nil {
		return set.keys[id], set, nil
	}
	return nil, nil, errInvalidToken.WithCause(fmt.Errorf("no key with the id %q", id))
}

// first gives the current set. If there is none yet it takes the one that was
// good when the service last ran, else it waits for a fetch.
func (s *keyStore) first(ctx context.Context, now time.Time) (*keySet, error) {
	if s.current() == nil {
		s.recall(ctx)
	}
	if s.current() == nil {
		s.await(ctx, s.refresh(now), fetchTimeout)
	}
	if set := s.current(); set != nil {
		return set, nil
	}
	return nil, errNoKeys.WithCause(s.lastFailure())
}

// refreshIfStale starts a fetch in the background once the set is due for one.
func (s *keyStore) refreshIfStale(now time.Time) {
	if s.url != "" && now.UnixNano() >= s.staleAt.Load() {
		s.refresh(now)
	}
}

// refresh starts a fetch, or joins the one under way, and gives a channel that
// is closed when it has ended; nil if it is too early for another.
func (s *keyStore) refresh(now time.Time) <-chan struct{} {
	if s.url == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetching != nil {
		return s.fetching
	}
	if now.Before(s.nextTry) {
		return nil
	}
	ended := make(chan struct{})
	s.fetching = ended
	go s.fetch(ended)
	return ended
}

func (s *keyStore) await(ctx context.Context, ended <-chan struct{}, atMost time.Duration) {
	if ended == nil {
		return
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fetch belongs to no request: one that gives up must not take the others' fetch with it.
func (s *keyStore) fetch(ended chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := s.download(ctx)
	if err == nil {
		s.remember(ctx, set)
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
	s.nextTry = now.Add(refreshPause)
	if s.current() == nil {
		s.nextTry = now.Add(firstPause)
	}
	if err == nil {
		s.staleAt.Store(now.Add(jitter(refreshEvery)).UnixNano())
	}
	s.fetching = nil
	close(ended)
}

func (s *keyStore) download(ctx context.Context) (*keySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch key set: %w", err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch key set: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only read from
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch key set: %s answered %s", s.url, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySetSize+1))
	if err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	return parseKeySet(body)
}

// remember makes set the current one. One that says the same as the current is
// dropped, so that tokens proved by that stay proved.
func (s *keyStore) remember(ctx context.Context, set *keySet) {
	if old := s.current(); old == nil || old.body != set.body {
		s.set.Store(set)
	}
	if s.db == nil {
		return
	}
	// Without the row a restart needs users to be up, nothing worse: not an error.
	_, _ = s.db.Exec(ctx, `INSERT INTO jwks_cache (url, body, fetched_at) VALUES ($1, $2, $3)
		ON CONFLICT (url) DO UPDATE SET body = excluded.body, fetched_at = excluded.fetched_at`,
		s.url, set.body, sqldb.Micros(s.now()))
}

// recall takes the set from the database. It never replaces one that was fetched.
func (s *keyStore) recall(ctx context.Context) {
	if s.db == nil || s.url == "" {
		return
	}
	var body string
	if err := s.db.QueryRow(ctx, `SELECT body FROM jwks_cache WHERE url = $1`, s.url).Scan(&body); err != nil {
		return // none yet, or no database: the fetch that follows decides
	}
	if set, err := parseKeySet([]byte(body)); err == nil {
		s.set.CompareAndSwap(nil, set)
	}
}

func (s *keyStore) lastFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		return errors.New("the first fetch of the key set has not ended")
	}
	return s.failure
}

// jitter keeps replicas from asking all at once: d, ten percent up or down.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

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
	// refreshInterval is the age at which a key set is fetched again.
	refreshInterval = 5 * time.Minute
	// fetchPause is the time between two fetches caused by unknown key ids, and after a
	// failed fetch. It is also the negative cache: for this long, a key id that is not
	// in the set is refused without a fetch.
	fetchPause = 10 * time.Second
	// firstFetchPause is used instead of fetchPause while there is no key set at all and
	// every request waits for one.
	firstFetchPause = time.Second
	fetchTimeout    = 2 * time.Second
	// unknownKeyWait is how long a request with an unknown key id waits for a fetch that
	// may bring the key.
	unknownKeyWait = 500 * time.Millisecond
)

var errNoKeys = &fault.Error{
	Kind: fault.Unavailable, Code: "keys_unavailable", RetryAfter: firstFetchPause,
	Message: "access tokens cannot be verified right now; try again in a moment",
}

// keyStore holds the newest good key set. Readers take it from an atomic pointer. A
// request that finds it stale, or without the key it needs, starts one fetch that all
// requests share. A fetch that fails leaves the last good set in place, no matter how
// old it is: the tokens that it can verify expire within minutes.
type keyStore struct {
	url    string
	client *http.Client
	db     sqldb.DB
	now    func() time.Time

	set       atomic.Pointer[keySet]
	staleAt   atomic.Int64 // when to fetch again, in Unix nanoseconds; 0 means now
	mu        sync.Mutex
	fetching  chan struct{} // closed when the running fetch has ended; nil if there is none
	nextFetch time.Time     // no fetch starts before
	failure   error         // of the last fetch, nil if it succeeded
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

// current returns the newest good set, nil if there has not been one yet.
func (s *keyStore) current() *keySet { return s.set.Load() }

// find returns the key with the id and the set that it is in. If the set does not have
// it, the set may be old: find then fetches, at most once per fetchPause, and tries
// once more.
func (s *keyStore) find(ctx context.Context, id string, now time.Time) (*ecdsa.PublicKey, *keySet, error) {
	set, err := s.anySet(ctx, now)
	if err != nil {
		return nil, nil, err
	}
	if key := set.keys[id]; key != nil {
		s.refreshIfStale(now)
		return key, set, nil
	}
	waitForFetch(ctx, s.refresh(now), unknownKeyWait)
	if set = s.current(); set.keys[id] != nil {
		return set.keys[id], set, nil
	}
	return nil, nil, errInvalidToken.WithCause(fmt.Errorf("no key with the id %q", id))
}

// anySet returns the current set. If there is none yet, it loads the set from when the
// service last ran; if there is none either, it waits for a fetch.
func (s *keyStore) anySet(ctx context.Context, now time.Time) (*keySet, error) {
	if s.current() == nil {
		s.loadFromDatabase(ctx)
	}
	if s.current() == nil {
		waitForFetch(ctx, s.refresh(now), fetchTimeout)
	}
	if set := s.current(); set != nil {
		return set, nil
	}
	return nil, errNoKeys.WithCause(s.lastFailure())
}

// refreshIfStale starts a fetch in the background if the set is stale.
func (s *keyStore) refreshIfStale(now time.Time) {
	if s.url != "" && now.UnixNano() >= s.staleAt.Load() {
		s.refresh(now)
	}
}

// refresh starts a fetch, or joins the running one. It returns a channel that is closed
// when the fetch has ended, or nil if it is too early for another.
func (s *keyStore) refresh(now time.Time) <-chan struct{} {
	if s.url == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetching != nil {
		return s.fetching
	}
	if now.Before(s.nextFetch) {
		return nil
	}
	ended := make(chan struct{})
	s.fetching = ended
	go s.fetch(ended)
	return ended
}

// waitForFetch returns when the fetch has ended, after atMost, or when ctx is done.
func waitForFetch(ctx context.Context, ended <-chan struct{}, atMost time.Duration) {
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

// fetch downloads the key set and closes ended. It does not use the context of the
// request that started it: other requests wait for it too.
func (s *keyStore) fetch(ended chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := s.download(ctx)
	if err == nil {
		s.store(ctx, set)
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
	s.nextFetch = now.Add(fetchPause)
	if s.current() == nil {
		s.nextFetch = now.Add(firstFetchPause)
	}
	if err == nil {
		s.staleAt.Store(now.Add(jitter(refreshInterval)).UnixNano())
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
	defer func() { _ = res.Body.Close() }() // nothing was written
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch key set: %s answered %s", s.url, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySetSize+1))
	if err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	return parseKeySet(body)
}

// store makes set the current one, and saves it in the database. A set equal to the
// current one does not replace it, so that the cached tokens stay valid.
func (s *keyStore) store(ctx context.Context, set *keySet) {
	if old := s.current(); old == nil || old.body != set.body {
		s.set.Store(set)
	}
	if s.db == nil {
		return
	}
	// A failure is ignored: without the row, a restart only needs users to be up.
	_, _ = s.db.Exec(ctx, `INSERT INTO jwks_cache (url, body, fetched_at) VALUES ($1, $2, $3)
		ON CONFLICT (url) DO UPDATE SET body = excluded.body, fetched_at = excluded.fetched_at`,
		s.url, set.body, sqldb.Micros(s.now()))
}

// loadFromDatabase makes the saved set the current one. It never replaces a set that
// was fetched.
func (s *keyStore) loadFromDatabase(ctx context.Context) {
	if s.db == nil || s.url == "" {
		return
	}
	var body string
	if err := s.db.QueryRow(ctx, `SELECT body FROM jwks_cache WHERE url = $1`, s.url).Scan(&body); err != nil {
		return // no saved set, or no database: the caller then waits for a fetch
	}
	if set, err := parseKeySet([]byte(body)); err == nil {
		s.set.CompareAndSwap(nil, set)
	}
}

// lastFailure returns why there is no key set.
func (s *keyStore) lastFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		return errors.New("the first fetch of the key set has not ended")
	}
	return s.failure
}

// jitter returns d changed by up to ten percent, so that replicas do not all fetch at
// the same time.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

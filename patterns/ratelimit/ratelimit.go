// Package ratelimit limits how often each user, address or other key may do something,
// with a token bucket for each key. A bucket holds up to Burst tokens; it starts full, an
// action takes one token, and Rate tokens are added each second:
//
//	limiter := ratelimit.New[string](ratelimit.Config{Rate: 5, Burst: 10})
//	if d := limiter.Take(address); !d.Allowed {
//		return tooMany(d.RetryAfter)
//	}
//
// A bucket is one number, the time at which it is full again (the generic cell rate
// algorithm, ITU-T I.371). Its memory is bounded whatever keys come: a full bucket is as
// good as none and makes room for another, and if none is full, the fullest of a few goes.
// So a flood of new keys costs the keys of the flood their buckets, and hardly the key
// whose bucket is empty.
package ratelimit

import (
	"cmp"
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// Config configures a Limiter. Rate and Burst must be positive. A zero value of the other
// fields means their default.
type Config struct {
	Rate  float64          // tokens added each second
	Burst int              // tokens in a full bucket
	Keys  int              // the most buckets that are kept, 100,000
	Now   func() time.Time // time.Now
}

// Decision is the result of taking a token.
type Decision struct {
	Allowed    bool
	Remaining  int           // tokens left in the bucket
	Full       time.Duration // until the bucket is full again
	RetryAfter time.Duration // until there is a token again; 0 if Allowed
}

// Limiter has a token bucket for each key. It is safe for concurrent use.
type Limiter[K comparable] struct {
	interval int64 // in which one token is added, in nanoseconds
	capacity int64 // in which an empty bucket becomes full, in nanoseconds
	now      func() time.Time
	start    time.Time
	seed     maphash.Seed
	shards   [shardCount]shard
}

// shardCount is the number of locks, so that requests of different keys seldom wait for
// each other.
const shardCount = 64

// shard holds the buckets of a part of the keys. A key is known by its hash alone: among
// 100,000 keys the chance that any two share a bucket is one in a billion, and the random
// seed keeps strangers from choosing such keys.
type shard struct {
	mu   sync.Mutex
	full map[uint64]int64 // by hash: when the bucket is full, in nanoseconds since start
	keys int              // the most buckets
}

// New returns a limiter. It panics if Rate or Burst is not positive.
func New[K comparable](c Config) *Limiter[K] {
	if !(c.Rate > 0) || c.Burst <= 0 {
		panic("ratelimit: Rate and Burst must be positive")
	}
	c.Keys = cmp.Or(c.Keys, 100_000)
	if c.Now == nil {
		c.Now = time.Now
	}
	longest := float64(math.MaxInt64) / 4 / float64(c.Burst)
	interval := max(int64(min(float64(time.Second)/c.Rate, longest)), 1)
	l := &Limiter[K]{
		interval: interval, capacity: interval * int64(c.Burst),
		now: c.Now, start: c.Now(), seed: maphash.MakeSeed(),
	}
	for i := range l.shards {
		l.shards[i] = shard{full: map[uint64]int64{}, keys: max(c.Keys/shardCount, 1)}
	}
	return l
}

// Take takes a token from the bucket of key, if there is one.
func (l *Limiter[K]) Take(key K) Decision {
	hash := maphash.Comparable(l.seed, key)
	now := int64(l.now().Sub(l.start))
	s := &l.shards[hash%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	full, known := s.full[hash]
	full = max(full, now)
	next := full + l.interval
	if missing := next - now - l.capacity; missing > 0 {
		return Decision{Full: time.Duration(full - now), RetryAfter: time.Duration(missing)}
	}
	if !known {
		s.makeRoom(now)
	}
	s.full[hash] = next
	return Decision{
		Allowed: true, Full: time.Duration(next - now),
		Remaining: int((l.capacity - (next - now)) / l.interval),
	}
}

// sample is how many buckets makeRoom looks at.
const sample = 16

// makeRoom removes the full buckets among a few that the map's random order chooses, or
// the fullest of them. The caller holds the lock.
func (s *shard) makeRoom(now int64) {
	if len(s.full) < s.keys {
		return
	}
	seen := 0
	var fullest uint64
	var soonest int64 = math.MaxInt64
	for hash, full := range s.full {
		if full < soonest {
			fullest, soonest = hash, full
		}
		if full <= now {
			delete(s.full, hash)
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(s.full, fullest)
}

// Keys returns how many buckets are kept.
func (l *Limiter[K]) Keys() (n int) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.full)
		s.mu.Unlock()
	}
	return n
}

package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxTokens is how many good tokens are remembered at most.
const maxTokens = 10_000

// tokenCache remembers tokens that were found good, so that the signature of
// each is checked about once. Bad ones are not kept: nobody can fill it with
// forgeries. It is keyed by a digest of the whole token, as two tokens may
// share any part. When the young half is full it becomes the old half, and
// what nobody used meanwhile is forgotten.
type tokenCache struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]cachedToken
}

type cachedToken struct {
	caller Caller
	keys   *keySet // a token is good only as long as the set that proved it stands
}

func newTokenCache() *tokenCache {
	return &tokenCache{young: map[[sha256.Size]byte]cachedToken{}}
}

// get finds a token proved by keys that has not expired.
func (c *tokenCache) get(raw string, keys *keySet, now time.Time) (Caller, bool) {
	digest := sha256.Sum256([]byte(raw))
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.young[digest]
	if !ok {
		if t, ok = c.old[digest]; ok {
			c.keep(digest, t)
		}
	}
	if !ok || t.keys != keys || expired(t.caller.Expires, now) {
		return Caller{}, false
	}
	return t.caller, true
}

func (c *tokenCache) put(raw string, keys *keySet, caller Caller) {
	digest := sha256.Sum256([]byte(raw))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(digest, cachedToken{caller: caller, keys: keys})
}

func (c *tokenCache) keep(digest [sha256.Size]byte, t cachedToken) {
	if len(c.young) >= maxTokens/2 {
		c.old, c.young = c.young, make(map[[sha256.Size]byte]cachedToken, maxTokens/2)
	}
	c.young[digest] = t
}

package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxTokens is the largest number of tokens in a cache.
const maxTokens = 10_000

// tokenCache holds valid tokens, so that the signature of each is checked about once.
// Invalid tokens are not cached: an attacker cannot fill it with forgeries. Its map key is
// a digest of the whole token, because two tokens may have any part in common. When
// the young half is full it becomes the old half, and the previous old half is dropped
// with all tokens that were not used in the meantime.
type tokenCache struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]cachedToken
}

type cachedToken struct {
	caller Caller
	keys   *keySet // the set that verified the token; the entry is valid only while this set is current
}

func newTokenCache() *tokenCache {
	return &tokenCache{young: map[[sha256.Size]byte]cachedToken{}}
}

// get returns the caller of a token that was verified with keys and has not expired.
func (c *tokenCache) get(raw string, keys *keySet, now time.Time) (Caller, bool) {
	digest := sha256.Sum256([]byte(raw))
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.young[digest]
	if !ok {
		if t, ok = c.old[digest]; ok {
			c.add(digest, t)
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
	c.add(digest, cachedToken{caller: caller, keys: keys})
}

func (c *tokenCache) add(digest [sha256.Size]byte, t cachedToken) {
	if len(c.young) >= maxTokens/2 {
		c.old, c.young = c.young, make(map[[sha256.Size]byte]cachedToken, maxTokens/2)
	}
	c.young[digest] = t
}

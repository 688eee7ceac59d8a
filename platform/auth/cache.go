package auth

import (
	"strings"
	"sync"
	"time"
)

// maxTokens is the largest number of tokens in a cache.
const maxTokens = 10_000

// tokenCache holds valid tokens, so that the signature of each is checked about once.
// Invalid tokens are not cached: an attacker cannot fill it with forgeries. Its map key is
// the whole token, because two tokens may have any part in common. When the young half is
// full it becomes the old half, and the previous old half is dropped with all tokens that
// were not used in the meantime.
type tokenCache struct {
	mu         sync.Mutex
	young, old map[string]cachedToken
}

type cachedToken struct {
	caller Caller
	keys   *keySet // the set that verified the token; the entry is valid only while this set is current
}

func newTokenCache() *tokenCache {
	return &tokenCache{young: map[string]cachedToken{}}
}

// get returns the caller of a token that was verified with keys and has not expired.
func (c *tokenCache) get(raw string, keys *keySet, now time.Time) (Caller, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.young[raw]
	if !ok {
		if t, ok = c.old[raw]; ok {
			c.add(raw, t)
		}
	}
	if !ok || t.keys != keys || expired(t.caller.Expires, now) {
		return Caller{}, false
	}
	return t.caller, true
}

func (c *tokenCache) put(raw string, keys *keySet, caller Caller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(raw, cachedToken{caller: caller, keys: keys})
}

// add adds a copy of the token, because raw keeps all headers of its request in memory.
func (c *tokenCache) add(raw string, t cachedToken) {
	if len(c.young) >= maxTokens/2 {
		c.old, c.young = c.young, make(map[string]cachedToken, maxTokens/2)
	}
	c.young[strings.Clone(raw)] = t
}

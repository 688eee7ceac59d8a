package openapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	maxAge       = time.Minute     // after which the services are asked again
	fetchTimeout = 2 * time.Second // within which the services must answer
	maxSize      = 4 << 20
)

// Cache returns the merged document. It fetches the services' documents on demand. For a
// service that is down it uses the last document, or the one that was built in. What is
// old or missing is listed in the document itself.
type Cache struct {
	Own       func() ([]byte, error)   // returns the gateway's own document, for title and version
	Services  func() map[string]string // returns the URLs of the documents by upstream
	Folder    string                   // of copies of the documents that are not built in; "": none are kept
	Transport http.RoundTripper
	Exposed   Exposed
	Log       *slog.Logger
	Now       func() time.Time

	mu     sync.Mutex // held while fetching: other requests wait for the same result
	parts  map[string]*part
	merged *Merged
	until  time.Time
}

// part is what is known of one service's document.
type part struct {
	path     string    // where the service serves it
	document Document  // nil if there is none
	fetched  time.Time // zero for a document that was built in
	failed   error     // of the last attempt to fetch it
}

// Merged is a merged document.
type Merged struct {
	text    []byte
	Missing []string // upstreams whose operations are not in it
	Stale   []string // upstreams whose operations may have changed since
}

// originMark is where the document names the address of the gateway, which differs between
// requests: "https://api.shop.example" for one, "http://127.0.0.1:8000" for another.
const originMark = "https://gateway.invalid"

// At returns the document of the gateway that a client calls at origin, and its ETag.
func (m *Merged) At(origin string) (text []byte, tag string) {
	text = bytes.ReplaceAll(m.text, []byte(originMark), []byte(origin))
	sum := sha256.Sum256(text)
	return text, `"` + hex.EncodeToString(sum[:16]) + `"`
}

// Document returns the merged document.
func (c *Cache) Document(ctx context.Context) (*Merged, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.merged != nil && c.Now().Before(c.until) {
		return c.merged, nil
	}
	c.fetchAll(ctx, c.Services())
	merged, err := c.merge()
	if err != nil {
		return nil, err
	}
	c.merged, c.until = merged, c.Now().Add(maxAge)
	if len(merged.Missing)+len(merged.Stale) > 0 {
		c.until = c.Now().Add(fetchTimeout) // try again soon
	}
	return merged, nil
}

// Expire makes the next call of Document merge again, because other operations are
// exposed.
func (c *Cache) Expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}

// merge merges the parts. The members x-troupe-missing and x-troupe-stale list, by
// upstream, why its operations are not there and how old they are.
func (c *Cache) merge() (*Merged, error) {
	written, err := c.Own()
	if err != nil {
		return nil, err
	}
	var own Document
	if err := json.Unmarshal(written, &own); err != nil {
		return nil, fmt.Errorf("read the server's own document: %w", err)
	}
	documents, missing, stale := map[string]Document{}, Document{}, Document{}
	for name, p := range c.parts {
		switch {
		case p.document == nil:
			missing[name] = "it serves no document at " + p.path + " now"
		case p.failed == nil:
		case p.fetched.IsZero():
			stale[name] = "as this gateway was built, because the service does not answer"
		default:
			stale[name] = "as of " + p.fetched.UTC().Format(time.RFC3339) + ", because the service does not answer"
		}
		if p.document != nil {
			documents[name] = p.document
		}
	}
	text, err := Merge(own, documents, c.Exposed, Document{"x-troupe-missing": missing, "x-troupe-stale": stale})
	if err != nil {
		return nil, err
	}
	return &Merged{
		text: text, Missing: slices.Sorted(maps.Keys(missing)), Stale: slices.Sorted(maps.Keys(stale)),
	}, nil
}

// fetchAll fetches the documents of all services. It serves every request that waits, so
// the end of the one that started it does not stop it.
func (c *Cache) fetchAll(ctx context.Context, services map[string]string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	before := c.parts
	c.parts = map[string]*part{}
	var wg sync.WaitGroup
	for name, url := range services {
		p := before[name]
		if p == nil {
			p = c.known(ctx, name)
		}
		p.path = pathOf(url)
		c.parts[name] = p
		wg.Go(func() {
			document, err := c.fetch(ctx, url)
			if p.failed = err; err != nil {
				c.Log.WarnContext(ctx, "the merged API document has no current version of a service", "upstream", name, "error", err)
				return
			}
			p.document, p.fetched = document, c.Now()
			c.keep(ctx, name, document)
		})
	}
	wg.Wait()
}

func (c *Cache) fetch(ctx context.Context, url string) (Document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	res, err := c.Transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: status %s", url, res.Status)
	}
	var document Document
	if err := json.NewDecoder(io.LimitReader(res.Body, maxSize)).Decode(&document); err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	return document, nil
}

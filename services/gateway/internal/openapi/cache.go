package openapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	maxAge       = time.Minute     // after which the services are asked again
	fetchTimeout = 2 * time.Second // within which the services must answer
	maxSize      = 4 << 20
)

// Cache returns the merged document. It fetches the services' documents on demand. For a
// service that is down it uses the last document, and leaves the service out if there is
// none yet.
type Cache struct {
	Own       func() ([]byte, error) // returns the gateway's own document, for title and version
	Services  map[string]string      // base URLs by name
	Transport http.RoundTripper
	Exposed   Exposed
	Log       *slog.Logger
	Now       func() time.Time

	mu     sync.Mutex // held while fetching: other requests wait for the same result
	parts  map[string]Document
	merged []byte
	until  time.Time
}

// Document returns the merged document.
func (c *Cache) Document(ctx context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.merged != nil && c.Now().Before(c.until) {
		return c.merged, nil
	}
	c.fetchAll(ctx)
	merged, err := c.merge()
	if err != nil {
		return nil, err
	}
	c.merged, c.until = merged, c.Now().Add(maxAge)
	if len(c.parts) < len(c.Services) {
		c.until = c.Now().Add(fetchTimeout) // a service is missing: try again soon
	}
	return merged, nil
}

func (c *Cache) merge() ([]byte, error) {
	written, err := c.Own()
	if err != nil {
		return nil, err
	}
	var own Document
	if err := json.Unmarshal(written, &own); err != nil {
		return nil, fmt.Errorf("read the server's own document: %w", err)
	}
	return Merge(own["info"], c.parts, c.Exposed)
}

// fetchAll fetches the documents of all services. It serves every request that waits, so
// the end of the one that started it does not stop it.
func (c *Cache) fetchAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	if c.parts == nil {
		c.parts = map[string]Document{}
	}
	for name, base := range c.Services {
		wg.Go(func() {
			part, err := c.fetch(ctx, base+"/openapi.json")
			if err != nil {
				c.Log.WarnContext(ctx, "the merged API document has no current version of a service", "upstream", name, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			c.parts[name] = part
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

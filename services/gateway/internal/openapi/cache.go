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
	fresh   = time.Minute     // how long a document is served before the services are asked again
	patient = 2 * time.Second // how long the services have to answer
	maxSize = 4 << 20
)

// Cache serves the merged document. Services are asked when somebody wants it;
// one that is down is shown as it was last, or not at all if never seen.
type Cache struct {
	Own       func() ([]byte, error) // the document of the server that serves it: says what it is
	Services  map[string]string      // base URLs by name
	Transport http.RoundTripper
	Exposed   Exposed
	Log       *slog.Logger
	Now       func() time.Time

	mu     sync.Mutex // held while asking: the others wait for the same answer
	parts  map[string]Document
	merged []byte
	until  time.Time
}

// Document is the merged document.
func (c *Cache) Document(ctx context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.merged != nil && c.Now().Before(c.until) {
		return c.merged, nil
	}
	c.askAll(ctx)
	merged, err := c.merge()
	if err != nil {
		return nil, err
	}
	c.merged, c.until = merged, c.Now().Add(fresh)
	if len(c.parts) < len(c.Services) {
		c.until = c.Now().Add(patient) // somebody is missing: look again soon
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

// askAll belongs to everybody who waits, not to the request that started it.
func (c *Cache) askAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patient)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	if c.parts == nil {
		c.parts = map[string]Document{}
	}
	for name, base := range c.Services {
		wg.Go(func() {
			part, err := c.ask(ctx, base+"/openapi.json")
			if err != nil {
				c.Log.WarnContext(ctx, "the merged API document lacks a service's news", "upstream", name, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			c.parts[name] = part
		})
	}
	wg.Wait()
}

func (c *Cache) ask(ctx context.Context, url string) (Document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", url, err)
	}
	res, err := c.Transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", url, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for %s: answered %s", url, res.Status)
	}
	var document Document
	if err := json.NewDecoder(io.LimitReader(res.Body, maxSize)).Decode(&document); err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	return document, nil
}

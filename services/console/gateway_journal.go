package console

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"troupe/patterns/journal"
)

// gatewayJournal is how far the journal of each instance of the gateway was read. The gateway
// has no broker to send it with, unless it shares a process with services that have one.
type gatewayJournal struct {
	mu       sync.Mutex
	instance string           // that has answered last
	read     map[string]int64 // the number of the last record, by instance
}

// mostInstances is how many instances of the gateway are remembered.
const mostInstances = 100

// fetchJournal takes in what the gateway has recorded since it was asked last: its spans and the changes
// of its circuits. They are kept in memory alone, as all spans are. Where the journal is sent,
// the gateway has none to read.
func (c *console) fetchJournal(ctx context.Context, authorization string) {
	g := &c.gatewayJournal
	g.mu.Lock()
	defer g.mu.Unlock()
	var answer struct {
		Instance string           `json:"instance"`
		Last     int64            `json:"last"`
		Items    []journal.Record `json:"items"`
	}
	after := url.QueryEscape(fmt.Sprintf("%s/%d", g.instance, g.read[g.instance]))
	if err := c.getPeer(ctx, "gateway", "/admin/journal?after="+after, authorization, &answer); err != nil {
		return // it is sent, or the gateway is away
	}
	records := answer.Items
	if known := g.read[answer.Instance]; answer.Instance != g.instance { // it began with its oldest
		first := answer.Last - int64(len(records))
		records = records[min(max(known-first, 0), int64(len(records))):]
	}
	if g.read == nil || len(g.read) > mostInstances {
		g.read = map[string]int64{}
	}
	g.instance = answer.Instance
	g.read[answer.Instance] = max(answer.Last, g.read[answer.Instance])
	for _, observe := range c.observers {
		observe(records)
	}
}

package submission

import (
	"sync"
	"time"

	"troupe/patterns/retry"
)

const (
	maxStalls  = 2      // in a row, from which on a domain is held
	maxDomains = 10_000 // that are kept in memory
	busyWait   = time.Second
)

// holding is how long a domain is held that does not answer.
var holding = retry.Backoff{Base: time.Minute, Cap: 15 * time.Minute}

// domains limits how many mails to one domain are sent at a time, and holds those to a
// domain for which the server does not reply: a dead domain then costs one connection a
// timeout now and then, and delays no mail to another domain.
type domains struct {
	most int // mails at a time to one domain

	mu     sync.Mutex
	active map[string]int
	stalls map[string]stall
}

type stall struct {
	inRow int
	until time.Time
}

func newDomains(most int) *domains {
	return &domains{most: most, active: map[string]int{}, stalls: map[string]stall{}}
}

// acquire reports whether a mail to the domain may be sent now; if not, it returns when.
// Each acquire that does is followed by release.
func (d *domains) acquire(domain string, now time.Time) (at time.Time, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stalls[domain]
	if now.Before(s.until) {
		return s.until, false
	}
	if d.active[domain] >= d.most {
		return now.Add(busyWait), false
	}
	d.active[domain]++
	if s.inRow >= maxStalls { // others wait for the outcome of this one
		s.until = now.Add(holding.Wait(s.inRow-maxStalls+1, 0))
		d.stalls[domain] = s
	}
	return now, true
}

// release ends what acquire began; stalled reports that the server did not reply.
func (d *domains) release(domain string, stalled bool, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active[domain]--; d.active[domain] == 0 {
		delete(d.active, domain)
	}
	if !stalled {
		delete(d.stalls, domain)
		return
	}
	s, known := d.stalls[domain]
	if !known && !d.hasRoom(now) {
		return
	}
	if s.inRow++; s.inRow >= maxStalls {
		s.until = now.Add(holding.Wait(s.inRow-maxStalls+1, 0))
	}
	d.stalls[domain] = s
}

// hasRoom reports whether one more domain can be kept, after it has removed those that
// are no longer held if there are too many.
func (d *domains) hasRoom(now time.Time) bool {
	if len(d.stalls) < maxDomains {
		return true
	}
	for domain, s := range d.stalls {
		if now.After(s.until) {
			delete(d.stalls, domain)
		}
	}
	return len(d.stalls) < maxDomains
}

package inflight

import (
	"net/netip"
	"sync"

	"troupe/platform/clientaddr"
)

// Readers counts the requests whose body is still arriving, all of them and those of
// each client address. They are counted apart from the requests in flight: a client that
// sends slowly, or not at all, occupies no service. It is safe for concurrent use.
type Readers struct {
	most           int
	mostPerAddress int

	mu        sync.Mutex
	all       int
	addresses map[netip.Addr]int
}

// NewReaders returns a counter that admits at most this many bodies at a time, and this
// many from one address.
func NewReaders(most, perAddress int) *Readers {
	return &Readers{most: most, mostPerAddress: perAddress, addresses: map[netip.Addr]int{}}
}

// Refusal is why Take admits no further body.
type Refusal uint8

// The refusals.
const (
	Admitted    Refusal = iota
	AddressFull         // the client's address has as many as one may have
	AllFull             // all clients together have
)

// Take admits one more body from a client's address, as Key returns it, or says why not.
// An admitted body must be given to Release.
func (r *Readers) Take(address netip.Addr) Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.addresses[address] >= r.mostPerAddress:
		return AddressFull
	case r.all >= r.most:
		return AllFull
	}
	r.all++
	r.addresses[address]++
	return Admitted
}

// Release ends a body that Take admitted.
func (r *Readers) Release(address netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.addresses[address]--; r.addresses[address] <= 0 {
		delete(r.addresses, address)
	}
}

// Count returns the number of bodies that are arriving.
func (r *Readers) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}

// Key returns what counts as one address; see clientaddr.Network. Texts that are no
// address share the zero key.
func Key(address string) netip.Addr { return clientaddr.Network(clientaddr.Parse(address)) }

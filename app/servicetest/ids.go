package servicetest

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/google/uuid"
)

// idSource makes UUIDv7 from the test's clock and a counter: the same in every run.
type idSource struct {
	now func() time.Time

	mu   sync.Mutex
	made uint64
}

// New returns the next id.
func (s *idSource) New() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(s.now().UnixMilli())<<16|0x7000)
	binary.BigEndian.PutUint64(id[8:], 1<<63|s.made)
	return id.String()
}

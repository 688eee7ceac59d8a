package journal

import "sync"

// mostKept is how many records a Kept has, at most.
const mostKept = 1500

// Kept has the newest records of a process that can send them nowhere: the console asks for
// them while people look. It is safe for concurrent use.
type Kept struct {
	mu      sync.Mutex
	records []Record // the oldest first
	last    int64    // the number of the newest one; they are numbered from 1
}

// Add is a Sink.
func (k *Kept) Add(records []Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records = append(k.records, records...)
	k.last += int64(len(records))
	if surplus := len(k.records) - mostKept; surplus > 0 {
		k.records = append(k.records[:0:0], k.records[surplus:]...)
	}
	return nil
}

// After returns the records that follow the one with this number, the oldest first, and the
// number of the last one.
func (k *Kept) After(number int64) (records []Record, last int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	oldest := k.last - int64(len(k.records)) // the number before that of the oldest one
	from := min(max(number-oldest, 0), int64(len(k.records)))
	return append([]Record{}, k.records[from:]...), k.last
}

package traffic

import "time"

// window counts in the last seconds.
type window struct {
	counts [seconds]int
	last   int64 // the second of the newest count
}

func (w *window) add(now time.Time, n int) {
	w.moveTo(now.Unix())
	w.counts[w.last%seconds] += n
}

func (w *window) sum(now time.Time) (n int) {
	w.moveTo(now.Unix())
	for _, c := range w.counts {
		n += c
	}
	return n
}

// moveTo forgets what is older than the window.
func (w *window) moveTo(second int64) {
	for ; w.last < second; w.last++ {
		if second-w.last > seconds {
			w.last = second - seconds
		}
		w.counts[(w.last+1)%seconds] = 0
	}
}

// series has a value for each interval of the last minutes.
type series struct {
	sums    [values]float64
	counts  [values]int
	last    int64 // the interval of the newest value
	average bool
}

func (s *series) add(now time.Time, v float64) {
	i := s.moveTo(now)
	s.sums[i] += v
	s.counts[i]++
}

func (s *series) set(now time.Time, v float64) { s.sums[s.moveTo(now)] = v }

// moveTo forgets what is too old, and returns the place of the present interval.
func (s *series) moveTo(now time.Time) int {
	n := now.UnixNano() / int64(interval)
	for ; s.last < n; s.last++ {
		if n-s.last > values {
			s.last = n - values
		}
		s.sums[(s.last+1)%values], s.counts[(s.last+1)%values] = 0, 0
	}
	return int(s.last % values)
}

// values returns the values, the oldest first.
func (s *series) values(now time.Time) []float64 {
	newest := s.moveTo(now)
	all := make([]float64, values)
	for i := range all {
		at := (newest + 1 + i) % values
		all[i] = s.sums[at]
		if s.average && s.counts[at] > 0 {
			all[i] /= float64(s.counts[at])
		}
	}
	return all
}

package story

import "container/heap"

// queue holds the steps whose causes are all placed. The earliest is the next.
type queue []*step

func newQueue(steps []*step) *queue {
	q := queue(steps)
	heap.Init(&q)
	return &q
}

func (q *queue) add(s *step) { heap.Push(q, s) }

func (q *queue) next() *step { return heap.Pop(q).(*step) }

// Len returns how many steps there are. With the methods below it makes the queue a heap.
func (q queue) Len() int { return len(q) }

// Less reports whether the step i is before the step j.
func (q queue) Less(i, j int) bool { return earlier(q[i], q[j]) < 0 }

// Swap exchanges two steps.
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds a step at the end.
func (q *queue) Push(x any) { *q = append(*q, x.(*step)) }

// Pop removes the last step.
func (q *queue) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	*q = (*q)[:last]
	return s
}

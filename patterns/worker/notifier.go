package worker

// Notifier is the wake signal of a worker: a channel that holds at most one
// notification. The channel itself is what Worker.Wake takes.
type Notifier chan struct{}

// NewNotifier returns a notifier without a notification.
func NewNotifier() Notifier { return make(Notifier, 1) }

// Notify wakes the worker. If the worker is busy, it steps once more when it is
// done, so no notification is lost. Notify never blocks.
func (n Notifier) Notify() {
	select {
	case n <- struct{}{}:
	default:
	}
}

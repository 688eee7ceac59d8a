package outbox

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	outboxWritten   = failpoint.New("outbox: written, not committed")
	outboxCommitted = failpoint.New("outbox: committed, relay not woken")
	outboxRead      = failpoint.New("outbox: read, not published")
	outboxPublished = failpoint.New("outbox: published, not deleted")
	outboxDeleted   = failpoint.New("outbox: deleted, not committed")
)

package rabbit

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	rabbitSent    = failpoint.New("rabbit: sent, not confirmed")
	rabbitTaken   = failpoint.New("rabbit: received, not handled")
	rabbitHandled = failpoint.New("rabbit: handled, not acknowledged")
)

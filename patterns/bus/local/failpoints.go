package local

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	localPut     = failpoint.New("local: put into one queue, maybe not into the others")
	localTaken   = failpoint.New("local: taken, not handled")
	localHandled = failpoint.New("local: handled, not taken off the queue")
)

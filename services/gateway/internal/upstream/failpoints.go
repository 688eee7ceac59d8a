package upstream

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	responseReceived = failpoint.New("gateway: answer received, not passed on")
)

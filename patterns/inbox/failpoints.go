package inbox

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	inboxRecorded = failpoint.New("inbox: recorded as handled, no effect yet")
	inboxHandled  = failpoint.New("inbox: effect written, not committed")
)

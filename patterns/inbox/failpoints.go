package inbox

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	inboxRecorded = failpoint.New("inbox: noted as handled, no effect yet")
	inboxReacted  = failpoint.New("inbox: effect written, not committed")
)

package payments

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	responsesTaken   = failpoint.New("payments: answered, not recorded")
	outcomesRecorded = failpoint.New("payments: outcome recorded")
)

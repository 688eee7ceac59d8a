package payments

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	paymentsAnswered = failpoint.New("payments: answered, not recorded")
	paymentsRecorded = failpoint.New("payments: outcome recorded")
)

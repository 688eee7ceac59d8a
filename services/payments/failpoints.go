package payments

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	callsLeased      = failpoint.New("payments: calls leased, not handed over")
	responsesTaken   = failpoint.New("payments: answered, not recorded")
	outcomesRecorded = failpoint.New("payments: outcome recorded")
)

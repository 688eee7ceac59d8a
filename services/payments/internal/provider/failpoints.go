package provider

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	callsClaimed  = failpoint.New("payments: calls claimed, none made")
	entriesAdded  = failpoint.New("payments: in the provider's ledger, not committed")
	callsExecuted = failpoint.New("payments: done at the provider, not answered")
)

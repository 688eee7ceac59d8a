package provider

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	paymentsClaimed = failpoint.New("payments: calls claimed, none made")
	providerEntered = failpoint.New("payments: in the provider's ledger, not committed")
	providerDone    = failpoint.New("payments: done at the provider, not answered")
)

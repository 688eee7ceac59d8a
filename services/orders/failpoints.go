package orders

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	orderStored    = failpoint.New("orders: order stored, not committed")
	orderCommitted = failpoint.New("orders: order committed, not answered")
	ordersClaimed  = failpoint.New("orders: facts read, nothing decided")
	ordersDecided  = failpoint.New("orders: decided, not committed")
)

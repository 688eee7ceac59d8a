package inventory

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	inventoryMoved = failpoint.New("inventory: stock moved, not committed")
)

package console

import "troupe/platform/httpapi"

// registerOrder adds the operations about one order, its bundle and sample orders.
func (c *console) registerOrder(_ *httpapi.API) {}

package console

import "troupe/platform/httpapi"

// registerTraces adds the operations about traces.
func (c *console) registerTraces(_ *httpapi.API) {}

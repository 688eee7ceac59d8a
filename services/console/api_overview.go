package console

import "troupe/platform/httpapi"

// registerOverview adds the operations about the first page.
func (c *console) registerOverview(_ *httpapi.API) {}

package console

import "troupe/platform/httpapi"

// registerLab adds the operations about the lab.
func (c *console) registerLab(_ *httpapi.API) {}

package console

import "troupe/platform/httpapi"

// registerServices adds the operations about the services.
func (c *console) registerServices(_ *httpapi.API) {}

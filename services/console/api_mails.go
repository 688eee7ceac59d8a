package console

import "troupe/platform/httpapi"

// registerMails adds the operations about mails and pushes.
func (c *console) registerMails(_ *httpapi.API) {}

package console

import "troupe/platform/httpapi"

// registerDeadLetters adds the operations about dead letters.
func (c *console) registerDeadLetters(_ *httpapi.API) {}

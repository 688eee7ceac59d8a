//go:build !unix

package h1

// isOpen reports whether an idle connection has unread data, which no one asked for. That
// the server has closed it shows when it is used.
func (c *connection) isOpen() bool { return c.in.Buffered() == 0 }

// Command notifications runs the notifications service by itself.
package main

import (
	"troupe/app"
	"troupe/services/notifications"
)

func main() { app.Main(notifications.Service) }

// Command notifications runs the notifications service by itself.
package main

import (
	"troupe/app"
	"troupe/services"
)

func main() { app.Main(services.All, "notifications") }

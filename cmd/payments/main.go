// Command payments runs the payments service by itself.
package main

import (
	"troupe/app"
	"troupe/services"
)

func main() { app.Main(services.All, "payments") }

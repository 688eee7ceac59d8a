// Command users runs the users service by itself.
package main

import (
	"troupe/app"
	"troupe/services"
)

func main() { app.Main(services.All, "users") }

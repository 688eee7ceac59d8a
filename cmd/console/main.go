// Command console runs the console service by itself.
package main

import (
	"troupe/app"
	"troupe/services"
)

func main() { app.Main(services.All, "console") }

// Command inventory runs the inventory service by itself.
package main

import (
	"troupe/app"
	"troupe/services"
)

func main() { app.Main(services.All, "inventory") }

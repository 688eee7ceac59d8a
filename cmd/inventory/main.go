// Command inventory runs the inventory service by itself.
package main

import (
	"troupe/app"
	"troupe/services/inventory"
)

func main() { app.Main(inventory.Service) }

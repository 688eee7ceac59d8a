// Command gateway runs the gateway service by itself.
package main

import (
	"troupe/app"
	"troupe/services/gateway"
)

func main() { app.Main(gateway.Service) }

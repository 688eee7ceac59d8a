// Command orders runs the orders service by itself.
package main

import (
	"troupe/app"
	"troupe/services/orders"
)

func main() { app.Main(orders.Service) }

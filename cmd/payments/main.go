// Command payments runs the payments service by itself.
package main

import (
	"troupe/app"
	"troupe/services/payments"
)

func main() { app.Main(payments.Service) }

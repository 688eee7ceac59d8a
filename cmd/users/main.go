// Command users runs the users service by itself.
package main

import (
	"troupe/app"
	"troupe/services/users"
)

func main() { app.Main(users.Service) }

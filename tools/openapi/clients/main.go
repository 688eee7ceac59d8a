// Clients runs a client that was generated from the gateway's API document: it registers a
// customer, signs in, lists the products and places an order, whose id it prints.
//
//	clients oapi-codegen|ogen http://127.0.0.1:8000
package main

import (
	"context"
	"fmt"
	"os"
)

const password = "seven lamps above the stage"

var clients = map[string]func(ctx context.Context, gateway string) (order string, err error){
	"oapi-codegen": withOAPICodegen,
	"ogen":         withOgen,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || clients[args[0]] == nil {
		return fmt.Errorf("usage: clients oapi-codegen|ogen GATEWAY")
	}
	order, err := clients[args[0]](context.Background(), args[1])
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	fmt.Println(order)
	return nil
}

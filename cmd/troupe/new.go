package main

import (
	"context"
	"fmt"
	"os"

	"troupe/scaffold"
)

type newCommand struct {
	Service newServiceCommand `cmd:"" help:"Add a service with a table, a migration, handlers, an operation and their tests."`
	Event   newEventCommand   `cmd:"" help:"Add an event that a service publishes."`
	Handler newHandlerCommand `cmd:"" help:"Add a handler of an event to a service."`
}

// sourceTree is the source tree that a command changes.
type sourceTree struct {
	Dir      string `default:"." type:"existingdir" help:"The root of the source tree."`
	Generate bool   `default:"true" negatable:"" help:"Write the documents that follow from the code, with 'make generate'."`
}

// change changes the source tree, writes the generated documents, and prints what has
// changed.
func (c sourceTree) change(ctx context.Context, change func(*scaffold.Tree) error) error {
	tree, err := scaffold.Open(c.Dir)
	if err != nil {
		return err
	}
	if err := change(tree); err != nil {
		return err
	}
	files, err := tree.Write()
	for _, file := range files {
		fmt.Println(file)
	}
	if err != nil || !c.Generate {
		return err
	}
	return scaffold.Generate(ctx, c.Dir, os.Stderr)
}

type newServiceCommand struct {
	sourceTree
	Name string `arg:"" help:"The name: lower-case letters and digits."`
}

// Run adds the service.
func (c newServiceCommand) Run(ctx context.Context) error {
	err := c.change(ctx, func(tree *scaffold.Tree) error { return tree.NewService(c.Name) })
	if err == nil {
		fmt.Printf("\nNext: go test ./services/%s/... and go run ./cmd/troupe up; docs/GUIDE.md goes on from there.\n", c.Name)
	}
	return err
}

type newEventCommand struct {
	sourceTree
	Type      string   `arg:"" help:"The type without its version: loyalty.points_earned."`
	Publisher string   `arg:"" help:"The service that publishes it."`
	Fields    []string `arg:"" help:"The fields of its payload: order_id:string points:int. A type is string, int, bool, money or time."`
}

// Run adds the event.
func (c newEventCommand) Run(ctx context.Context) error {
	fields := make([]scaffold.Field, len(c.Fields))
	for i, text := range c.Fields {
		var err error
		if fields[i], err = scaffold.ParseField(text); err != nil {
			return err
		}
	}
	return c.change(ctx, func(tree *scaffold.Tree) error { return tree.NewEvent(c.Type, c.Publisher, fields) })
}

type newHandlerCommand struct {
	sourceTree
	Service string `arg:"" help:"The service that consumes the event."`
	Type    string `arg:"" help:"The type of the event: order.paid."`
}

// Run adds the handler.
func (c newHandlerCommand) Run(ctx context.Context) error {
	return c.change(ctx, func(tree *scaffold.Tree) error { return tree.NewHandler(c.Service, c.Type) })
}

type removeCommand struct {
	Example removeExampleCommand `cmd:"" help:"Remove the shop: what is left is a skeleton for a system of your own."`
}

type removeExampleCommand struct{ sourceTree }

// Run removes the example.
func (c removeExampleCommand) Run(ctx context.Context) error {
	return c.change(ctx, func(tree *scaffold.Tree) error { return tree.RemoveExample() })
}

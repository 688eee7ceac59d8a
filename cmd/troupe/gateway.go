package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"troupe/app"
	"troupe/services"
)

type gatewayCommand struct {
	Check   checkCommand   `cmd:"" help:"Check a file and print its routes, or every mistake with its line."`
	Default defaultCommand `cmd:"" help:"Print the file that is used without GATEWAY_CONFIG."`
	Schema  schemaCommand  `cmd:"" help:"Print the JSON Schema of the file, for editors."`
}

func gatewayFile() *app.ConfigFile { return app.Named(services.All, "gateway").ConfigFile }

type checkCommand struct {
	File string `arg:"" help:"The file, for GATEWAY_CONFIG; - is standard input."`
}

// Run prints the routes of the file, those of the default included if it extends it.
func (c checkCommand) Run() error {
	content, err := c.read()
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	others := slices.DeleteFunc(services.Names(), func(name string) bool { return name == "gateway" })
	routes, err := gatewayFile().Describe(c.File, content, others)
	if err != nil {
		return err
	}
	_, err = fmt.Print(routes)
	return err
}

func (c checkCommand) read() ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(c.File)
}

type defaultCommand struct{}

// Run prints the default file.
func (defaultCommand) Run() error {
	_, err := os.Stdout.Write(gatewayFile().Default)
	return err
}

type schemaCommand struct{}

// Run prints the JSON Schema.
func (schemaCommand) Run() error {
	_, err := os.Stdout.Write(gatewayFile().Schema)
	return err
}

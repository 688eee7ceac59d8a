package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"text/template"
)

//go:embed all:templates
var templates embed.FS

// serviceValues are what the templates of a service refer to.
type serviceValues struct {
	Module, Name string
	Port         int
}

// baseEvents are the events that a new service consumes.
var baseEvents = []string{"session.revoked.v1", "session.revoked.v2", "user.registered.v1", "user.deleted.v1"}

// NewService adds a service with a table, a migration, two handlers, an operation and
// their tests, and enters it in every list of services.
func (t *Tree) NewService(name string) error {
	all, err := t.services()
	if err != nil {
		return err
	}
	if err := checkName(name, all); err != nil {
		return err
	}
	port, err := t.freePort(all)
	if err != nil {
		return err
	}
	last := all[len(all)-1]
	lastPort, err := t.port(last)
	if err != nil {
		return err
	}
	if err := t.fill("service", serviceValues{t.module, name, port}); err != nil {
		return err
	}
	for _, eventType := range baseEvents {
		if err := t.consume(eventType, name); err != nil {
			return err
		}
	}
	if err := t.register(name, last); err != nil {
		return err
	}
	if err := t.route(name); err != nil {
		return err
	}
	return t.deploy(copyOf{from: last, to: name, fromPort: lastPort, toPort: port})
}

// fill adds the files of a template folder. NAME in a path is the name of the service.
func (t *Tree) fill(folder string, values serviceValues) error {
	root := path.Join("templates", folder)
	return fs.WalkDir(templates, root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.ReplaceAll(strings.TrimPrefix(file, root+"/"), "NAME", values.Name)
		return t.createFrom(file, strings.TrimSuffix(name, ".tmpl"), values)
	})
}

// createFrom adds a file from a template.
func (t *Tree) createFrom(file, name string, values any) error {
	parsed, err := template.ParseFS(templates, file)
	if err != nil {
		return err
	}
	var filled bytes.Buffer
	if err := parsed.Execute(&filled, values); err != nil {
		return err
	}
	return t.create(name, filled.Bytes())
}

// route adds the routes of a service to the gateway's default configuration: before the
// audit logs, which come last.
func (t *Tree) route(name string) error {
	return t.edit(routesFile, func(text string) string {
		lines := strings.SplitAfter(text, "\n")
		last := 0
		for i, line := range lines {
			if strings.HasPrefix(line, "  - {path: ") {
				last = i
			}
		}
		added := fmt.Sprintf("  - {path: /%[1]s/me, methods: [GET], upstream: %[1]s, access: authenticated}\n", name) +
			fmt.Sprintf("  - {path: /audit/%[1]s, methods: [GET], upstream: %[1]s, access: admin}\n", name)
		return strings.Join(lines[:last+1], "") + added + strings.Join(lines[last+1:], "")
	})
}

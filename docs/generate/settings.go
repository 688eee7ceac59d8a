package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

const settingsIntro = `# Settings

Generated from the structs that read them by ` + "`make generate`" + `. Settings are environment variables. Every
one has a default that works, and a bad value stops the start with a sentence that names it. A setting that was renamed
is still read by its former name, with a warning in the log.

White space, line feeds and invisible characters at the ends of a value are removed, as they come with a secret that was made
from a file; inside a value, control characters stop the start. A password that begins or ends with a blank is refused.

Besides those below, each service listens on ` + "`NAME_LISTEN`" + ` (` + "`ORDERS_LISTEN=0.0.0.0:8002`" + `; default: its own port
on 127.0.0.1) and is called at ` + "`NAME_URL`" + ` (` + "`ORDERS_URL=http://orders:8002`" + `; default: its own port on this host).

` + "`NAME_METRICS_LISTEN`" + ` (` + "`GATEWAY_METRICS_LISTEN=0.0.0.0:9100`" + `) serves the metrics of a service on a port of its own, and
` + "`/metrics`" + ` on its usual port is 404. With ` + "`NAME_DOCS=false`" + ` (` + "`GATEWAY_DOCS=false`" + `) so are ` + "`/docs`" + ` and ` + "`/openapi.json`" + `.

` + "`NAME_TLS_CERT`" + ` and ` + "`NAME_TLS_KEY`" + ` are the paths of the PEM files of a certificate, with its chain, and of its private key. With
both, the service speaks HTTPS, and HTTP/2 to clients that can. Files that are replaced are used for new connections.
` + "`NAME_HOSTS`" + ` adds names to those of ` + "`TROUPE_HOSTS`" + ` for one service.
`

// settingsDocument returns a table of every struct field with an env tag, by folder.
func settingsDocument() ([]byte, error) {
	byFolder := map[string][]string{}
	var folders []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(name))
		if !strings.HasPrefix(folder, "app") && !strings.HasPrefix(folder, "services") {
			return nil
		}
		rows, err := settingsIn(name)
		if len(rows) > 0 && byFolder[folder] == nil {
			folders = append(folders, folder)
		}
		byFolder[folder] = append(byFolder[folder], rows...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(folders)
	var b bytes.Buffer
	b.WriteString(settingsIntro)
	for _, folder := range folders {
		fmt.Fprintf(&b, "\n## %s\n\n| variable | type | default | |\n|---|---|---|---|\n", heading(folder))
		b.WriteString(strings.Join(byFolder[folder], ""))
	}
	return b.Bytes(), nil
}

func heading(folder string) string {
	if service, ok := strings.CutPrefix(folder, "services/"); ok {
		return service
	}
	return "Every process"
}

func settingsIn(name string) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var rows []string
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.Field)
		if !ok || f.Tag == nil {
			return true
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
		variable, _, _ := strings.Cut(tag.Get("env"), ",")
		if variable == "" {
			return true
		}
		description, wrong := describe(f)
		if wrong != nil {
			err = errors.Join(err, fmt.Errorf("%s: %s: %w", name, variable, wrong))
		}
		if former := tag.Get("formerly"); former != "" {
			description += " Formerly `" + former + "`."
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n",
			variable, kindName(f.Type), code(tag.Get("envDefault")), description))
		return true
	})
	return rows, err
}

var (
	errNoDescription = errors.New("the field needs a comment that describes the setting to an operator")
	errGoName        = errors.New("the comment must not begin with the name of the Go field, which operators never see")
)

// describe returns the comment of a setting's field as a sentence.
func describe(f *ast.Field) (string, error) {
	text := oneLine(f.Doc, f.Comment)
	if text == "" {
		return "", errNoDescription
	}
	for _, name := range f.Names {
		if strings.HasPrefix(text, name.Name+" ") {
			return text, errGoName
		}
	}
	return strings.TrimSuffix(sentence(text), ".") + ".", nil
}

// kindName returns the type of a setting in an operator's words.
func kindName(e ast.Expr) string {
	switch name := typeName(e); name {
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "int", "int64":
		return "whole number"
	case "float64":
		return "number"
	case "level", "format":
		return "text"
	case "list of string":
		return "list, separated by commas"
	case "list of prefix":
		return "list of address ranges"
	default:
		return name
	}
}

func code(value string) string {
	if value == "" {
		return ""
	}
	return "`" + value + "`"
}

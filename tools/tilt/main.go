// Command tilt runs a Tiltfile with Starlark, the language of Tilt, without a cluster, and
// prints what it does: a line "image NAME", "resource NAME" or "kustomize FOLDER" for each
// call. It fails where a function or an argument is not one of Tilt's.
package main

import (
	"fmt"
	"os"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: tilt TILTFILE")
		os.Exit(2)
	}
	// A Tiltfile may have loops and conditions at its top level.
	options := &syntax.FileOptions{TopLevelControl: true, GlobalReassign: true, Set: true}
	if _, err := starlark.ExecFileOptions(options, &starlark.Thread{Name: "tilt"}, os.Args[1], nil, functions()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// functions returns the functions of Tilt that our file calls, with their arguments as
// Tilt's API reference names them.
func functions() starlark.StringDict {
	var name, context string
	var folder string
	var objects starlark.Value
	var arguments *starlark.Dict
	var ignore, ports, labels *starlark.List
	return starlark.StringDict{
		"kustomize": function("kustomize", &folder, "paths", &folder),
		"read_yaml": starlark.NewBuiltin("read_yaml", readYAML),
		"k8s_yaml":  function("", nil, "yaml", &objects),
		"docker_build": function("image", &name, "ref", &name, "context", &context,
			"build_args?", &arguments, "ignore?", &ignore),
		"k8s_resource": function("resource", &name, "workload", &name, "port_forwards?", &ports, "labels?", &labels),
	}
}

// function returns a function with these parameters that prints what it is called with.
func function(what string, shown *string, parameters ...any) *starlark.Builtin {
	return starlark.NewBuiltin(what, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
		if err := starlark.UnpackArgs(b.Name(), args, named, parameters...); err != nil {
			return nil, err
		}
		if shown == nil {
			return starlark.None, nil
		}
		fmt.Println(what, *shown)
		return starlark.String(*shown), nil
	})
}

func readYAML(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	var path string
	if err := starlark.UnpackArgs(b.Name(), args, named, "paths", &path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	return starlark.Call(thread, json.Module.Members["decode"], starlark.Tuple{starlark.String(asJSON)}, nil)
}

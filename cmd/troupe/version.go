package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"troupe/app"
)

type versionCommand struct {
	JSON bool `help:"Print JSON, for programs."`
}

// build is what the program was built from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	return build{Version: app.Version, Commit: commit(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
}

// String returns the build on one line.
func (b build) String() string {
	from := ""
	if b.Commit != "" {
		from = " (" + b.Commit + ")"
	}
	return fmt.Sprintf("troupe %s%s %s %s", b.Version, from, b.Go, b.Platform)
}

// Run prints the version, the commit it was built from if known, and the toolchain.
func (c versionCommand) Run() error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(thisBuild())
	}
	_, err := fmt.Println(thisBuild())
	return err
}

// versionFlag is --version, which does what the command does.
type versionFlag bool

// BeforeReset prints the version and ends the program, whatever else the line has.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	_, err := fmt.Fprintln(k.Stdout, thisBuild())
	k.Exit(0)
	return err
}

func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return ""
}

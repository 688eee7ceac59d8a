package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"troupe/app"
)

type versionCommand struct{}

// Run prints the version, the commit it was built from if known, and the toolchain.
func (versionCommand) Run() error {
	_, err := fmt.Printf("troupe %s%s %s %s/%s\n", app.Version, commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " (" + s.Value[:12] + ")"
		}
	}
	return ""
}

// Command console bundles the pages of the console: services/console/internal/ui/src into
// services/console/internal/ui/dist, with esbuild and without Node. With -check it writes
// nothing and fails if dist is stale.
//
// Run it from anywhere below the root: go -C tools/console run .
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// folder is the package that serves the pages, seen from this folder.
const folder = "../../services/console/internal/ui"

func main() {
	check := flag.Bool("check", false, "write nothing; fail if dist is stale")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	if err := vendorIsUnchanged(); err != nil {
		return err
	}
	fresh, err := build()
	if err != nil {
		return err
	}
	if check {
		return compare(fresh)
	}
	return write(fresh)
}

// build returns the files of dist by their names.
func build() (map[string][]byte, error) {
	files, err := bundle()
	if err != nil {
		return nil, err
	}
	page, err := os.ReadFile(folder + "/src/index.html")
	if err != nil {
		return nil, err
	}
	for name := range files {
		page = bytes.ReplaceAll(page, []byte("APP"+path.Ext(name)), []byte(name))
	}
	icon, err := os.ReadFile(folder + "/src/icon.svg")
	if err != nil {
		return nil, err
	}
	files["icon.svg"] = icon
	files["index.html"] = page
	if files["licenses.txt"], err = licenses(); err != nil {
		return nil, err
	}
	files["sources.sha256"], err = sums(folder, "src", "vendor")
	return files, err
}

// bundle returns the script and the style sheet. Their names have a hash of their content.
func bundle() (map[string][]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPointsAdvanced: []api.EntryPoint{
			{InputPath: folder + "/src/main.tsx", OutputPath: "app"},
			{InputPath: folder + "/src/styles/main.css", OutputPath: "app"},
		},
		AbsWorkingDir: must(filepath.Abs(".")),
		NodePaths:     []string{must(filepath.Abs(folder + "/vendor"))},
		Outdir:        "dist", EntryNames: "[name]-[hash]",
		Bundle: true, Format: api.FormatESModule, Platform: api.PlatformNeutral, Target: api.ES2022,
		JSX: api.JSXAutomatic, JSXImportSource: "preact",
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		LegalComments: api.LegalCommentsNone, LogLevel: api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return nil, errors.New("the pages do not build: see above")
	}
	files := map[string][]byte{}
	for _, file := range result.OutputFiles {
		files[filepath.Base(file.Path)] = file.Contents
	}
	return files, nil
}

// licenses returns the licenses of what is bundled.
func licenses() ([]byte, error) {
	var all bytes.Buffer
	for _, name := range []string{"preact", "@preact/signals", "@preact/signals-core"} {
		text, err := os.ReadFile(filepath.Join(folder, "vendor", name, "LICENSE"))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&all, "%s\n\n%s\n\n", name, bytes.TrimSpace(text))
	}
	return all.Bytes(), nil
}

// vendorIsUnchanged returns an error if a file of vendor is not the one that was taken
// from npm.
func vendorIsUnchanged() error {
	kept, err := os.ReadFile(folder + "/vendor.sha256")
	if err != nil {
		return err
	}
	now, err := sums(folder, "vendor")
	if err != nil {
		return err
	}
	if !bytes.Equal(kept, now) {
		return errors.New("vendor differs from vendor.sha256: restore it, or update both together (vendor/README.md)")
	}
	return nil
}

// sums returns the SHA-256 of all files below folders, in the format of sha256sum.
func sums(root string, folders ...string) ([]byte, error) {
	var lines []string
	for _, top := range folders {
		err := fs.WalkDir(os.DirFS(root), top, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(filepath.Join(root, name))
			lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(a[64:], b[64:]) })
	return []byte(strings.Join(lines, "")), nil
}

func compare(fresh map[string][]byte) error {
	kept, err := os.ReadDir(folder + "/dist")
	if err != nil {
		return err
	}
	stale := len(kept) != len(fresh)
	for name, content := range fresh {
		now, err := os.ReadFile(filepath.Join(folder, "dist", name))
		stale = stale || err != nil || !bytes.Equal(now, content)
	}
	if stale {
		return errors.New("services/console/internal/ui/dist is stale: run 'make generate' and commit it")
	}
	return nil
}

func write(fresh map[string][]byte) error {
	if err := os.RemoveAll(folder + "/dist"); err != nil {
		return err
	}
	if err := os.MkdirAll(folder+"/dist", 0o755); err != nil {
		return err
	}
	for name, content := range fresh {
		if err := os.WriteFile(filepath.Join(folder, "dist", name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func must(path string, err error) string {
	if err != nil {
		panic(err) // the working directory is gone
	}
	return path
}

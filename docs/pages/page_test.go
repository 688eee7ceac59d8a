// Package pages_test carries out the pages of documentation that lead through a change:
// each in a copy of the source tree, command by command, edit by edit.
package pages_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/treetest"
)

// block is a fenced block of a page.
//
//	sh          commands, run one block after the other in one shell
//	sh fails    the same, and the last command must fail
//	text        what the commands before print, in this order; "..." stands for anything
//	diff        an edit: "--- FILE", then lines that begin with " ", "-" or "+"
//	LANG FILE   the content of a new file
type block struct {
	kind, argument string
	line           int
	text           string
}

var fence = regexp.MustCompile("(?m)^```(\\w+)(?: (\\S+))?\\n((?s:.*?))^```$")

func blocksOf(page string) (blocks []block) {
	for _, m := range fence.FindAllStringSubmatchIndex(page, -1) {
		b := block{kind: page[m[2]:m[3]], text: page[m[6]:m[7]], line: 1 + strings.Count(page[:m[0]], "\n")}
		if m[4] >= 0 {
			b.argument = page[m[4]:m[5]]
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// carryOut does what a page shows in a copy of the tree.
func carryOut(t *testing.T, page string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	dir := treetest.Copy(t, "../..")
	environ, addresses := freePorts(t)
	sh := startShell(t, dir, environ)
	output := ""
	for _, b := range blocksOf(addresses.Replace(string(text))) {
		place := fmt.Sprintf("%s:%d", page, b.line)
		switch {
		case b.kind == "sh":
			var failed bool
			output, failed = sh.run(t, b.text)
			require.Equal(t, b.argument == "fails", failed, "%s\n%s\n%s", place, b.text, output)
		case b.kind == "text":
			require.NoError(t, occurs(b.text, output), place)
		case b.kind == "diff":
			require.NoError(t, apply(dir, b.text), place)
		case b.argument != "":
			file := filepath.Join(dir, b.argument)
			require.NoFileExists(t, file, place)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700), place)
			require.NoError(t, os.WriteFile(file, []byte(b.text), 0o600), place)
		default:
			require.Fail(t, "a block that is neither a command, nor an output, nor an edit", place)
		}
	}
}

// occurs returns an error if the lines do not occur in the output in their order. In a
// line, "..." stands for any text.
func occurs(lines, output string) error {
	var pattern []string
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		var parts []string
		for part := range strings.SplitSeq(strings.TrimSpace(line), "...") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		pattern = append(pattern, strings.Join(parts, ".*"))
	}
	if !regexp.MustCompile("(?s)" + strings.Join(pattern, ".*")).MatchString(output) {
		return fmt.Errorf("the output is not as the page shows it:\n%s\nbut\n%s", lines, output)
	}
	return nil
}

// apply carries out an edit. What it removes and keeps must be in the file exactly once.
func apply(dir, edit string) error {
	head, body, _ := strings.Cut(edit, "\n")
	file := filepath.Join(dir, strings.TrimPrefix(head, "--- "))
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var before, after strings.Builder
	for line := range strings.Lines(body) {
		if line[0] != '+' {
			before.WriteString(line[1:])
		}
		if line[0] != '-' {
			after.WriteString(line[1:])
		}
	}
	if n := strings.Count(string(content), before.String()); n != 1 {
		return fmt.Errorf("%s contains what the edit expects %d times:\n%s", head, n, before.String())
	}
	return os.WriteFile(file, []byte(strings.Replace(string(content), before.String(), after.String(), 1)), 0o600)
}

func TestAnEditMustFit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("one\ntwo\nthree\n"), 0o600))
	require.NoError(t, apply(dir, "--- a.txt\n one\n-two\n+2\n"))
	content, err := os.ReadFile(filepath.Join(dir, "a.txt"))
	require.NoError(t, err)
	require.Equal(t, "one\n2\nthree\n", string(content))
	require.ErrorContains(t, apply(dir, "--- a.txt\n-two\n"), "0 times")
}

func TestAnOutputMustOccur(t *testing.T) {
	t.Parallel()
	require.NoError(t, occurs("one ... three\nfour\n", "zero one two three\nmore\nfour"))
	require.Error(t, occurs("four\none\n", "one\nfour"))
}

func TestBlocksAreFound(t *testing.T) {
	t.Parallel()
	require.Equal(t, []block{{"sh", "", 2, "true\n"}, {"go", "a/b.go", 6, "package b\n"}},
		blocksOf("Text\n```sh\ntrue\n```\n\n```go a/b.go\npackage b\n```\n"))
}

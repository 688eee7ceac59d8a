package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// completionScripts let a shell ask this program for the words that may follow.
var completionScripts = map[string]string{
	"bash": "# source <(troupe completion bash)\ncomplete -o default -C 'troupe complete' troupe\n",
	"zsh":  "# source <(troupe completion zsh)\nautoload -U +X bashcompinit && bashcompinit\ncomplete -o default -C 'troupe complete' troupe\n",
	"fish": "# troupe completion fish | source\ncomplete -c troupe -a '(env COMP_LINE=(commandline -cp) troupe complete)'\n",
}

// Run prints the script of a shell.
func (c completionCommand) Run() error {
	_, err := fmt.Print(completionScripts[c.Shell])
	return err
}

// completeCommand is called by a shell with the line so far in COMP_LINE, as bash does for
// complete -C.
type completeCommand struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"What bash passes: the program, the word, and the one before."`
}

// Run prints the words that may stand at the end of the line, one a line.
func (completeCommand) Run(k *kong.Kong) error {
	line := os.Getenv("COMP_LINE")
	if at, err := strconv.Atoi(os.Getenv("COMP_POINT")); err == nil && at >= 0 && at < len(line) {
		line = line[:at]
	}
	_, err := fmt.Println(strings.Join(completions(k.Model.Node, line), "\n"))
	return err
}

// completions returns the commands, flags and values that may stand at the end of a line
// which begins with the program's name.
func completions(program *kong.Node, line string) []string {
	words := strings.Fields(line)
	word := ""
	if len(words) > 0 && !strings.HasSuffix(line, " ") {
		word, words = words[len(words)-1], words[:len(words)-1]
	}
	node := program
	for _, typed := range words[min(1, len(words)):] {
		if child := childOf(node, typed); child != nil {
			node = child
		}
	}
	var all []string
	switch {
	case strings.HasPrefix(word, "-"):
		all = flagsOf(node)
	case len(words) > 0 && strings.HasPrefix(words[len(words)-1], "--"):
		all = valuesOf(node, strings.TrimPrefix(words[len(words)-1], "--"))
	}
	if all == nil && !strings.HasPrefix(word, "-") {
		all = argumentsOf(node)
	}
	all = slices.DeleteFunc(all, func(candidate string) bool { return !strings.HasPrefix(candidate, word) })
	slices.Sort(all)
	return slices.Compact(all)
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && child.Name == name {
			return child
		}
	}
	return nil
}

// flagsOf returns the flags of a command, those of its parents included.
func flagsOf(node *kong.Node) (names []string) {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			names = append(names, "--"+flag.Name)
		}
	}
	return names
}

// valuesOf returns the values that a flag may have, if they are few.
func valuesOf(node *kong.Node, name string) []string {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if flag.Name == name && flag.Enum != "" {
				return slices.DeleteFunc(flag.EnumSlice(), func(value string) bool { return value == "" })
			}
		}
	}
	return nil
}

// argumentsOf returns the commands below a command, or the values of its first argument.
func argumentsOf(node *kong.Node) (names []string) {
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			names = append(names, child.Name)
		}
	}
	if len(names) == 0 && len(node.Positional) > 0 && node.Positional[0].Enum != "" {
		names = node.Positional[0].EnumSlice()
	}
	return names
}

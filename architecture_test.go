// Package troupe holds the rules that apply to the whole repository, as tests: who may
// import whom, what a service exports, where a third party has its home, why a
// dependency is there, and in which words the code speaks.
package troupe

import (
	"cmp"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "troupe/"

// mayImport lists for every top folder which top folders its packages may import
// besides its own. The layers come first, from left to right.
var mayImport = map[string][]string{
	"cmd":      {"services", "app", "patterns", "platform", "client", "loadgen", "scaffold"},
	"services": {"app", "patterns", "platform", "events"},
	"app":      {"patterns", "platform"},
	"patterns": {"platform"},
	"platform": {},

	"scaffold": {"platform"}, // changes the source tree as text

	"events": {},           // all that services share; it depends on nothing of ours
	"client": {"platform"}, // calls the public API like any program outside; of ours it needs money alone

	"loadgen": {"client", "platform"}, // offers load through the public API

	"docs":   {"services", "events", "patterns", "platform"},                             // documents generated from the code
	"deploy": {"services", "app", "patterns", "platform"},                                // tests of the deployment files
	"test":   {"services", "events", "app", "patterns", "platform", "client", "loadgen"}, // the whole system, from outside
	"bench":  {"test", "services", "app", "patterns", "platform", "client", "loadgen"},   // measurements of it
	"":       {},                                                                         // the root: these rules
}

// testPrograms are commands that run tests, so they may import test packages.
var testPrograms = []string{"cmd/simulate", "bench", "bench/gateway"}

// homes lists for each third party the only packages that may import it, and why.
var homes = map[string][]string{
	"modernc.org/sqlite":                       {"platform/sqldb"},                                      // one adapter for each database
	"github.com/jackc/pgx/v5":                  {"platform/sqldb", "platform/sqldb/sqldbtest", "bench"}, // likewise; databases for tests; bare clients to compare with
	"github.com/pressly/goose/v3":              {"platform/sqldb"},                                      // migrations belong to the adapters
	"github.com/rabbitmq/amqp091-go":           {"patterns/bus/rabbit", "bench"},                        // one session type owns every channel
	"github.com/danielgtaylor/huma/v2":         {"platform/httpapi"},                                    // so that it can be replaced in one place
	"github.com/go-jose/go-jose/v4":            {"platform/auth"},                                       // one strict verifier
	"github.com/alecthomas/kong":               {"cmd/troupe", "cmd/simulate"},                          // only commands have a command line
	"github.com/caarlos0/env/v11":              {"app"},                                                 // services get Env.Settings
	"go.opentelemetry.io/otel":                 {"platform/telemetry", "platform/httpapi"},              // all others have telemetry.StartSpan
	"github.com/emersion/go-smtp":              {"services/notifications/internal/smtp"},                // only notifications sends mail
	"github.com/emersion/go-msgauth":           {"services/notifications/internal/dkim"},
	"github.com/wneessen/go-mail":              {"services/notifications/internal/smtp"},
	"github.com/santhosh-tekuri/jsonschema/v6": {"patterns/event/schema"},                                                                                         // what programs outside publish
	"go.yaml.in/yaml/v3":                       {"services/gateway/internal/config"},                                                                              // only the gateway reads a file
	"github.com/HdrHistogram/hdrhistogram-go":  {"loadgen"},                                                                                                       // latencies of the load
	"golang.org/x/sys/unix":                    {"bench"},                                                                                                         // binds processes to cores
	"golang.org/x/crypto/argon2":               {"services/users/internal/password"},                                                                              // only users stores passwords
	"golang.org/x/text/language":               {"services/users/internal/account", "services/notifications/internal/content", "services/orders/internal/postal"}, // tags of languages and countries
	"golang.org/x/text/unicode/norm":           {"services/users/internal/password"},                                                                              // one password has several spellings
}

// everywhere lists the third parties that any product package may import. One that is
// neither here nor in homes is for tests only.
var everywhere = []string{
	"github.com/prometheus/client_golang", // each package registers its own metrics
	"github.com/google/uuid",              // ids are values like strings
	"golang.org/x/sync",                   // an extension of the standard library
}

// rules are the rules of the house. Each returns a sentence for every breach, which
// says what to do.
var rules = map[string]func([]source) []string{
	"every top folder has a layer":              foldersHaveALayer,
	"imports point from left to right":          importsPointOneWay,
	"services do not know each other":           servicesAreIndependent,
	"product code imports no tests":             productImportsNoTests,
	"a service exports only its Service":        servicesExportOneName,
	"a third party has one home":                thirdPartiesHaveOneHome,
	"a third party without a home is for tests": unknownThirdPartiesAreForTests,
	"a service keeps its packages internal":     servicesKeepPackagesInternal,
	"every package has a documentation string":  packagesAreDocumented,
	"case is folded by ASCII alone":             caseIsFoldedByASCII,
}

func foldersHaveALayer(tree []source) (breaches []string) {
	for _, s := range tree {
		if _, known := mayImport[top(s.dir)]; !known {
			breaches = append(breaches, fmt.Sprintf("%s: the folder %s has no layer: add it to mayImport in architecture_test.go, with what it may import",
				s.name, top(s.dir)))
		}
	}
	return breaches
}

func importsPointOneWay(tree []source) (breaches []string) {
	for _, s := range tree {
		ours, _ := s.imports()
		for _, imported := range ours {
			from, to := top(s.dir), top(imported)
			if from == to && from != "client" || slices.Contains(mayImport[from], to) {
				continue
			}
			if (s.test || isTestHelper(s.dir) || slices.Contains(testPrograms, s.dir)) && (to == "test" || to == "events" && from == "cmd") {
				continue // tests of a command may use the cluster and the events
			}
			breaches = append(breaches, fmt.Sprintf("%s imports %s: %s may import %s; hand the value in from a layer above, or move the code to one that may import it",
				s.name, imported, cmp.Or(from, "the root"), cmp.Or(strings.Join(mayImport[from], ", "), "nothing of ours")))
		}
	}
	return breaches
}

func servicesAreIndependent(tree []source) (breaches []string) {
	for _, s := range tree {
		if top(s.dir) != "services" || s.dir == "services" { // the registry lists them all
			continue
		}
		ours, _ := s.imports()
		for _, imported := range ours {
			if top(imported) == "services" && serviceOf(imported) != serviceOf(s.dir) {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: services communicate by events and HTTP, not by imports", s.name, imported))
			}
		}
	}
	return breaches
}

// serviceOf returns the name of the service that a folder belongs to, "" for the registry.
func serviceOf(dir string) string {
	parts := strings.Split(dir, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

func productImportsNoTests(tree []source) (breaches []string) {
	for _, s := range tree {
		if !s.product() {
			continue
		}
		ours, _ := s.imports()
		for _, imported := range ours {
			if to := top(imported); to == "test" || to == "bench" || isTestHelper(imported) {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: product code must not contain test code; move what it needs into the product, or the caller into test/",
					s.name, imported))
			}
		}
	}
	return breaches
}

func servicesExportOneName(tree []source) (breaches []string) {
	exported := map[string][]string{}
	for _, s := range tree {
		if s.test || path.Dir(s.dir) != "services" {
			continue
		}
		for _, name := range exportedNames(s.file) {
			if name != "Service" {
				breaches = append(breaches, fmt.Sprintf("%s exports %s: a service exports Service and nothing else; write it in lower case, or move it to internal/",
					s.name, name))
			}
			exported[s.dir] = append(exported[s.dir], name)
		}
		exported[s.dir] = append(exported[s.dir], "")
	}
	for _, dir := range slices.Sorted(maps.Keys(exported)) {
		if !slices.Contains(exported[dir], "Service") {
			breaches = append(breaches, dir+" does not export Service, which services/services.go lists")
		}
	}
	return breaches
}

// exportedNames returns the exported names that a file declares. Methods belong to their
// type.
func exportedNames(file *ast.File) (names []string) {
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id.IsExported() {
				names = append(names, id.Name)
			}
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					add(s.Name)
				case *ast.ValueSpec:
					add(s.Names...)
				}
			}
		}
	}
	return names
}

func thirdPartiesHaveOneHome(tree []source) (breaches []string) {
	for _, s := range tree {
		if s.test || isTestHelper(s.dir) && !slices.Contains(homes["github.com/jackc/pgx/v5"], s.dir) {
			continue
		}
		_, others := s.imports()
		for _, imported := range others {
			for party, allowed := range homes {
				if within(imported, party) && !slices.Contains(allowed, s.dir) {
					breaches = append(breaches, fmt.Sprintf("%s imports %s: only %s may, so that it can be replaced in one place",
						s.name, imported, strings.Join(allowed, ", ")))
				}
			}
		}
	}
	return breaches
}

// unknownThirdPartiesAreForTests finds what product code imports from modules that the
// lists above do not name.
func unknownThirdPartiesAreForTests(tree []source) (breaches []string) {
	known := slices.Concat(everywhere, slices.Collect(maps.Keys(homes)))
	for _, s := range tree {
		if !s.product() {
			continue
		}
		_, others := s.imports()
		for _, imported := range others {
			if host, _, _ := strings.Cut(imported, "/"); !strings.Contains(host, ".") {
				continue // the standard library
			}
			if !slices.ContainsFunc(known, func(party string) bool { return within(imported, party) }) {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: only tests may; if the product needs it, give it a home in architecture_test.go and a reason in docs/DEPENDENCIES.md",
					s.name, imported))
			}
		}
	}
	return breaches
}

// within reports whether a package belongs to a module, or to a package's subtree.
func within(imported, party string) bool {
	return imported == party || strings.HasPrefix(imported, party+"/")
}

func servicesKeepPackagesInternal(tree []source) (breaches []string) {
	for _, s := range tree {
		parts := strings.Split(s.dir, "/")
		if parts[0] == "services" && len(parts) > 2 && parts[2] != "internal" {
			breaches = append(breaches, fmt.Sprintf("%s is visible outside of %s: move it to services/%s/internal/", s.name, parts[1], parts[1]))
		}
	}
	return breaches
}

func packagesAreDocumented(tree []source) (breaches []string) {
	documented := map[string]bool{}
	for _, s := range tree {
		if !s.test {
			documented[s.dir] = documented[s.dir] || s.file.Doc.Text() != ""
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		if !documented[dir] {
			breaches = append(breaches, dir+" has no package comment: write in a sentence what it is for")
		}
	}
	return breaches
}

func TestTheHouseRulesHold(t *testing.T) {
	t.Parallel()
	tree, err := parseTree(os.DirFS("."))
	require.NoError(t, err)
	require.Greater(t, len(tree), 200, "the walk found hardly any file: it looks in the wrong place")
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, rule(tree), strings.Join(rule(tree), "\n"))
		})
	}
}

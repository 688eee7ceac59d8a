package troupe

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "troupe/"

// layers from left to right: a package imports its own layer or those to the right.
var layers = []string{"cmd", "services", "app", "patterns", "platform"}

// homes are the only packages that may import a third party, and why there.
var homes = map[string][]string{
	"modernc.org/sqlite":               {"platform/sqldb"},                                           // one seam over both databases
	"github.com/jackc/pgx/v5":          {"platform/sqldb", "platform/sqldb/sqldbtest", "bench"},      // likewise; databases for tests, and bare clients to compare with
	"github.com/pressly/goose/v3":      {"platform/sqldb"},                                           // migrations belong to the seam
	"github.com/rabbitmq/amqp091-go":   {"patterns/bus/rabbit", "bench"},                             // one session type must own every channel
	"github.com/danielgtaylor/huma/v2": {"platform/httpapi"},                                         // so that it can be left in a day
	"github.com/go-jose/go-jose/v4":    {"platform/auth"},                                            // one strict verifier
	"github.com/alecthomas/kong":       {"cmd/troupe"},                                               // only the operator has a command line
	"github.com/caarlos0/env/v11":      {"app"},                                                      // services get Env.Settings
	"go.opentelemetry.io/otel":         {"platform/telemetry", "platform/httpapi", "patterns/inbox"}, // a request or a heard event is a span
	"github.com/emersion/go-smtp":      {"services/notifications/internal/mail"},                     // only notifications mails
	"github.com/wneessen/go-mail":      {"services/notifications/internal/mail"},
	"golang.org/x/crypto/argon2":       {"services/users/internal/password"}, // only users knows passwords
}

type imported struct {
	by   string // folder of the importing package
	file string
	path string
	test bool
}

// imports parses the tree itself rather than ask the go command, so that the
// test cache sees what was read.
func imports(t *testing.T) []imported {
	t.Helper()
	var all []imported
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && name != "." || name == "tools" || name == "internal_hold") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			unquoted, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			all = append(all, imported{
				by: path.Dir(filepath.ToSlash(name)), file: name, path: unquoted,
				test: strings.HasSuffix(name, "_test.go") || strings.HasSuffix(path.Dir(filepath.ToSlash(name)), "test"),
			})
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 100, "the walk found hardly any import: it looks in the wrong place")
	return all
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, i := range imports(t) {
		if ours, ok := strings.CutPrefix(i.path, module); ok {
			require.NoError(t, allowed(i, ours))
		}
	}
}

// allowed says why a package of ours may not import another of ours.
func allowed(i imported, ours string) error {
	from, to := top(i.by), top(ours)
	if to == "events" && from != "services" && !slices.Contains([]string{"events", "docs", "test"}, from) {
		return fmt.Errorf("%s imports events: only services know what events mean", i.file)
	}
	if from == "events" && to != "events" {
		return fmt.Errorf("%s imports %s: events imports nothing of ours", i.file, ours)
	}
	if from == "services" && to == "services" && i.by != "services" && service(i.by) != service(ours) {
		return fmt.Errorf("%s imports %s: no service knows another", i.file, ours)
	}
	left, right := slices.Index(layers, from), slices.Index(layers, to)
	if right >= 0 && left > right && (!i.test || to != "app") {
		return fmt.Errorf("%s imports %s: %s may not know %s", i.file, ours, from, to)
	}
	return nil
}

func top(folder string) string { first, _, _ := strings.Cut(folder, "/"); return first }

func service(folder string) string { return strings.Split(folder, "/")[1] }

func TestThirdPartiesHaveOneHome(t *testing.T) {
	t.Parallel()
	for _, i := range imports(t) {
		for party, allowed := range homes {
			if i.path != party && !strings.HasPrefix(i.path, party+"/") || i.test {
				continue
			}
			require.Contains(t, allowed, i.by, "%s imports %s", i.file, i.path)
		}
	}
}

func TestServicesExportOnlyTheirService(t *testing.T) {
	t.Parallel()
	found := 0
	for _, i := range imports(t) {
		if strings.HasPrefix(i.path, module+"services/") && !strings.Contains(i.path, "/internal/") && top(i.by) != "services" {
			found++
		}
		require.False(t, strings.Contains(i.path, "/internal/") && strings.HasPrefix(i.path, module+"services/") && top(i.by) != "services",
			"%s reaches into a service", i.file)
	}
	require.Positive(t, found)
}

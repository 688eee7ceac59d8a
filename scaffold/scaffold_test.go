package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/treetest"
)

// slow skips a test that builds a copy of the tree, unless it runs in CI or is asked for.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("SCAFFOLD_TESTS") == "" {
		t.Skip("it builds and tests a copy of the tree, which takes a minute: set SCAFFOLD_TESTS=1; CI runs it")
	}
}

// in runs a command in a copy of the tree and returns its output. It builds as .ci/run does,
// without the paths of the copy and without C, so that the build cache serves every copy.
func in(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOFLAGS=-trimpath", "CGO_ENABLED=0", "TEST_DATABASE_URL=", "TEST_AMQP_URL=", "CI=", "SCAFFOLD_TESTS=")
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), output)
	return string(output)
}

func TestANewServiceEventAndHandlerAreGreenAtOnce(t *testing.T) {
	t.Parallel()
	slow(t)
	dir := treetest.Copy(t, "..")
	tree, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, tree.NewService("firstnew"))
	require.NoError(t, tree.NewEvent("firstnew.points_earned", "firstnew", []Field{
		{"user_id", "string"}, {"points", "int"}, {"worth", "money"}, {"at", "time"}, {"doubled", "bool"},
	}))
	_, err = tree.Write()
	require.NoError(t, err)
	require.NoError(t, tree.NewHandler("firstnew", "firstnew.points_earned"))
	require.NoError(t, tree.NewHandler("firstnew", "order.paid"))
	_, err = tree.Write()
	require.NoError(t, err)

	for _, command := range generated {
		in(t, dir, command[0], command[1:]...)
	}
	in(t, dir, "go", "vet", ".", "./events", "./services", "./services/firstnew/...", "./cmd/firstnew")
	in(t, dir, "go", "test", ".", "./events", "./services", "./services/firstnew/...", "./services/console", "./services/gateway", "./deploy", "./docs/...", "./cmd/simulate")
	in(t, dir, "go", "tool", "-modfile=tools/go.mod", "golangci-lint", "run", "--allow-parallel-runners", "./events", "./services", "./services/firstnew/...", "./cmd/firstnew")
}

func TestAForkHasItsOwnModule(t *testing.T) {
	t.Parallel()
	slow(t)
	dir := treetest.Copy(t, "..")
	in(t, dir, "scripts/fork", "github.com/acme/shop")
	require.Equal(t, "github.com/acme/shop\n", in(t, dir, "go", "list", "-m"))
	require.Empty(t, in(t, dir, "gofmt", "-l", "."))
	in(t, dir, "go", "test", ".", "./deploy", "./docs/...", "./events", "./services/inventory")
	in(t, dir, "go", "test", "-run", "LinksNoTestCode", "./cmd/troupe")

	tree, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, tree.NewService("firstnew"))
	_, err = tree.Write()
	require.NoError(t, err)
	in(t, dir, "go", "test", "./services/firstnew/...")
}

// The packages that the removal does not touch are vetted, and their own tests are those of
// this repository.
func TestWithoutTheExampleASkeletonIsLeft(t *testing.T) {
	t.Parallel()
	slow(t)
	dir := treetest.Copy(t, "..")
	tree, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, tree.RemoveExample())
	require.NoError(t, tree.NewService("books"), "the skeleton can be built on")
	_, err = tree.Write()
	require.NoError(t, err)
	for _, command := range generated {
		in(t, dir, command[0], command[1:]...)
	}
	in(t, dir, "go", "vet", "./...")
	in(t, dir, "go", "test", ".", "./cmd/...", "./deploy", "./docs/...", "./events", "./scaffold", "./services/...")

	again, err := Open(dir)
	require.NoError(t, err)
	require.ErrorContains(t, again.RemoveExample(), "the example has been removed already")
}

// The tree is the one of this repository; nothing is written.
func open(t *testing.T) *Tree {
	t.Helper()
	tree, err := Open("..")
	require.NoError(t, err)
	return tree
}

func TestANewServiceIsInEveryList(t *testing.T) {
	t.Parallel()
	tree := open(t)
	require.NoError(t, tree.NewService("firstnew"))
	for name, want := range map[string]string{
		"services/services.go":                      "firstnew.Service,",
		"events/topology.go":                        `"firstnew"},`,
		routesFile:                                  "  - {path: /firstnew/me, methods: [GET], upstream: firstnew, access: authenticated}\n",
		"compose.yaml":                              "\n  firstnew:\n    <<: *service\n",
		"deploy/kubernetes/firstnew.yaml":           "  name: firstnew\n",
		"deploy/helm/troupe/values.yaml":            "\n  firstnew: {enabled: true, port: ",
		"deploy/kubernetes/kustomization.yaml":      "  - firstnew.yaml\n",
		"deploy/kubernetes/network.yaml":            ", firstnew]}",
		"deploy/kubernetes/settings.yaml":           "FIRSTNEW_URL: http://firstnew:",
		"cmd/firstnew/main.go":                      `app.Main(services.All, "firstnew")`,
		"services/firstnew/firstnew_test.go":        "package firstnew_test",
		"services/firstnew/internal/store/store.go": "package store",
	} {
		require.Contains(t, string(tree.changed[name]), want, name)
	}
}

// A file that has changed its form would stop the removal.
func TestTheExampleCanBeRemovedFromThisTree(t *testing.T) {
	t.Parallel()
	tree := open(t)
	require.NoError(t, tree.RemoveExample())
	require.Contains(t, tree.removed, filepath.FromSlash("services/orders"))
	for _, name := range []string{registryFile, topologyFile, routesFile, "compose.yaml", "deploy/kubernetes/network.yaml"} {
		require.NotRegexp(t, `\b`+anyShop+`\b`, string(tree.changed[name]), name)
	}
}

func TestASecondServiceFollowsTheFirst(t *testing.T) {
	t.Parallel()
	tree := open(t)
	require.NoError(t, tree.NewService("firstnew"))
	require.NoError(t, tree.NewService("secondnew"))
	all, err := tree.services()
	require.NoError(t, err)
	require.Contains(t, string(tree.changed["compose.yaml"]), "SECONDNEW_LISTEN: :")
	require.Contains(t, all, "secondnew")
	require.NotContains(t, string(tree.changed["deploy/kubernetes/secondnew.yaml"]), "firstnew")
}

func TestWhatCannotBeAddedIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	tree := open(t)
	for name, reason := range map[string]string{
		"Loyalty":   "use 2 to 20 lower-case letters",
		"my-thing":  "use 2 to 20 lower-case letters",
		"../../etc": "use 2 to 20 lower-case letters",
		"orders":    "there is a service orders already",
		"func":      "choose another name",
		"postgres":  "choose another name",
	} {
		require.ErrorContains(t, tree.NewService(name), reason, name)
	}
	field := []Field{{"order_id", "string"}}
	require.ErrorContains(t, tree.NewEvent("Paid", "orders", field), "write THING.WHAT_HAPPENED")
	require.ErrorContains(t, tree.NewEvent("order.paid", "orders", field), "there is an event order.paid.v1 already")
	require.ErrorContains(t, tree.NewEvent("order.weighed", "scales", field), "no service is called")
	require.ErrorContains(t, tree.NewEvent("order.weighed", "orders", []Field{{"grams", "int"}}), "needs a field that names what it is about")
	require.ErrorContains(t, tree.NewHandler("orders", "order.weighed"), "troupe new event")
	require.ErrorContains(t, tree.NewHandler("inventory", "order.created"), "inventory consumes order.created.v1 already")
	_, err := ParseField("grams:float")
	require.ErrorContains(t, err, "a type is string, int")
	require.Empty(t, tree.changed, "a refusal changes nothing")

	_, err = Open(t.TempDir())
	require.ErrorContains(t, err, "run this in the root of the source tree")
}

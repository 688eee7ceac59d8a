package troupe

import (
	"fmt"
	"go/ast"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// bareTimes are files whose members of type time.Time are stored and never leave the
// service, or are read only by programs of the project, which parse them.
var bareTimes = []string{
	"services/payments/internal/payment/operation.go",
	"patterns/journal/record.go", "services/console/internal/view/view.go",
}

// bareTimeBreaches returns a report for each JSON member that is a bare time.Time, whose
// text has a changing number of digits. The commands and the client only read answers.
func bareTimeBreaches(tree []source) (breaches []string) {
	for _, s := range tree {
		if !s.product() || top(s.dir) == "cmd" || top(s.dir) == "client" || slices.Contains(bareTimes, s.name) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil || !isBareTime(field.Type) {
				return true
			}
			if _, member := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Lookup("json"); member {
				breaches = append(breaches, fmt.Sprintf("%s: a JSON member of type time.Time has a changing number of digits: use timestamp.Time, in a payload events.Time", s.line(field)))
			}
			return true
		})
	}
	return breaches
}

// isBareTime reports whether the type is time.Time, a pointer to it or a list of it.
func isBareTime(e ast.Expr) bool {
	switch t := e.(type) {
	case *ast.StarExpr:
		return isBareTime(t.X)
	case *ast.ArrayType:
		return isBareTime(t.Elt)
	case *ast.MapType:
		return isBareTime(t.Value)
	case *ast.SelectorExpr:
		of, ok := t.X.(*ast.Ident)
		return ok && of.Name == "time" && t.Sel.Name == "Time"
	}
	return false
}

func TestNoJSONMemberIsABareTime(t *testing.T) {
	t.Parallel()
	tree, err := parseTree(os.DirFS("."))
	require.NoError(t, err)
	breaches := bareTimeBreaches(tree)
	require.Empty(t, breaches, strings.Join(breaches, "\n"))
}

func TestABareTimeIsReported(t *testing.T) {
	t.Parallel()
	tree, err := parseTree(fstest.MapFS{"services/orders/api.go": {Data: []byte("package orders\nimport \"time\"\ntype v struct {\n" +
		"A time.Time `json:\"a\"`\nB *time.Time `json:\"b\"`\nC time.Time `query:\"c\"`\nD time.Time\nE timestamp.Time `json:\"e\"`\n}")}})
	require.NoError(t, err)
	require.Len(t, bareTimeBreaches(tree), 2)
}

package main

import (
	"go/ast"
	"testing"

	"github.com/stretchr/testify/require"
)

func field(name, comment string) *ast.Field {
	f := &ast.Field{Names: []*ast.Ident{{Name: name}}}
	if comment != "" {
		f.Doc = &ast.CommentGroup{List: []*ast.Comment{{Text: "// " + comment}}}
	}
	return f
}

func TestASettingIsDescribedInAnOperatorsWords(t *testing.T) {
	t.Parallel()
	text, err := describe(field("HoldExpiry", "how long stock is set aside"))
	require.NoError(t, err)
	require.Equal(t, "How long stock is set aside.", text)

	_, err = describe(field("HoldExpiry", ""))
	require.ErrorIs(t, err, errNoDescription)
	_, err = describe(field("HoldExpiry", "HoldExpiry is how long stock is set aside."))
	require.ErrorIs(t, err, errGoName)
}

func TestEventsAreGroupedByTheirSubject(t *testing.T) {
	t.Parallel()
	require.Equal(t, "`order.created`, `.paid`, `stock.reserved`",
		eventList([]string{"order.paid.v1", "order.created.v1", "stock.reserved.v1"}))
}
